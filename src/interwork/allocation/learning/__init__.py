"""What plans teach: why they are so, what the network lacks, what an hour is worth, what to do after events."""
