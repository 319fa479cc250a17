"""The command line of corpusmill: a thin shell over the rooms."""
