"""The command line: parses, calls the library, prints. Nothing else in rhodiff prints."""
