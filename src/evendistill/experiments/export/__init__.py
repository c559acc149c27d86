"""Finished runs as files that others can use: weights, ONNX, and a card that says what they are worth."""
