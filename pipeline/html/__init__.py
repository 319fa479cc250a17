"""HTML in linear time: tokens of a page, its text or Markdown, and what it says of itself."""
