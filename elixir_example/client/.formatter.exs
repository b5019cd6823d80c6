[
  inputs: ["{mix,.formatter}.exs", "{lib,test}/**/*.{ex,exs}", "../*.exs"],
  line_length: 110
]
