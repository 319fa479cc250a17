"""Export of the mix: a mixture and a number of tokens in, training shards with their proof out."""
