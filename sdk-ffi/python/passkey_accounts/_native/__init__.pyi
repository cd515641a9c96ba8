"""The generated binding: private."""
