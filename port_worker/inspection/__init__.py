"""The program that shows what passed between a host and its worker, and feeds it to a worker again."""
