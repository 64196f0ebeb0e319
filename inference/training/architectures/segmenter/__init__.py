"""U-Nets: an encoder, a decoder, three maps."""
