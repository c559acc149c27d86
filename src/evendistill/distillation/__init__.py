"""The teacher as labeller, the student problem, and the shift after training."""
