"""Where runs are trained: on this machine, on Ray, on Slurm; one small interface, all state in the folders of runs."""
