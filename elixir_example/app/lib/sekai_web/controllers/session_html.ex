defmodule SekaiWeb.SessionHTML do
  @moduledoc "The form to sign in with."

  use SekaiWeb, :html

  alias SekaiWeb.Layouts

  @doc "The page of the form."
  @spec new(map()) :: Phoenix.LiveView.Rendered.t()
  def new(assigns) do
    ~H"""
    <Layouts.top />
    <main class="narrow">
      <section class="card">
        <h1>Sign in</h1>
        <p class="muted">
          Administrators promote and train models. <code>bin/app</code> prints a token for one.
        </p>
        <form action={~p"/login"} method="post" class="stack">
          <input type="hidden" name="_csrf_token" value={get_csrf_token()} />
          <label for="token">Token</label>
          <input
            id="token"
            name="token"
            value={@token}
            required
            autofocus
            autocomplete="off"
            spellcheck="false"
            aria-invalid={@error && "true"}
            aria-describedby={@error && "token-error"}
          />
          <p :if={@error} id="token-error" class="error" role="alert">{@error}</p>
          <button class="button primary">Sign in</button>
        </form>
      </section>
    </main>
    """
  end
end
