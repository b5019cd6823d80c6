[
  inputs: ["{mix,.formatter}.exs", "{lib,test,bench}/**/*.{ex,exs}", "../*.exs"],
  locals_without_parens: [defbang: 1],
  line_length: 110
]
