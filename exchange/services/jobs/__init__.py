"""Long work that outlives a request and a process: queued, run in steps, and resumed after a crash."""
