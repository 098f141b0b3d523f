"""What is kept on this machine: settings, history, cached profiles."""
