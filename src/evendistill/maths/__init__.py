"""Pure functions of tensors: losses, class risks, the simplex, metrics, calibration."""
