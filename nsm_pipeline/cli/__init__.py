"""The command line `nsm`."""
