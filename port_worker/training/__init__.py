"""Training: the catalogue of algorithms, the child process that fits one, and the worker's hold on that child."""
