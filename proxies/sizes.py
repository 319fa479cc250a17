"""Sizes of proxies by name."""

from __future__ import annotations

# width, layers, heads, hidden width of the feed-forward part. The name is the number of
# parameters outside the embedding, which the output layer shares: layers x (4 width^2 + 3 width
# hidden + 2 width) + width. The smallest are wide and shallow: a core multiplies them faster.
SIZES = {
    "0.1M": (64, 2, 1, 192),
    "0.3M": (128, 2, 2, 224),
    "1M": (160, 4, 4, 320),
    "4M": (256, 5, 4, 688),
    "15M": (384, 8, 6, 1024),
    "30M": (512, 10, 8, 1360),
    "60M": (640, 12, 10, 1712),
    "150M": (1024, 12, 16, 2736),
    "300M": (1024, 24, 16, 2736),
}
