"""One loop for teacher and student, its schedule, its checkpoints."""
