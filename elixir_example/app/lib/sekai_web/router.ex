defmodule SekaiWeb.Router do
  use SekaiWeb, :router

  pipeline :api do
    plug :accepts, ["json"]
  end
end
