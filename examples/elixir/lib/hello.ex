defmodule Hello.Application do
  use Application

  def start(_type, _args) do
    port = String.to_integer(System.get_env("PORT", "8080"))
    Supervisor.start_link([{Bandit, plug: Hello.Page, port: port}], strategy: :one_for_one)
  end
end

defmodule Hello.Page do
  import Plug.Conn

  def init(options), do: options
  def call(conn, _options), do: send_resp(conn, 200, "Hello from Elixir\n")
end
