"""What is done again and again while the service runs, each in a task with an owner."""
