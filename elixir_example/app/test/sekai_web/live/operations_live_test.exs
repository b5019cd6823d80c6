defmodule SekaiWeb.OperationsLiveTest do
  use SekaiWeb.ConnCase
  use Oban.Testing, repo: Sekai.Jobs.repo()

  import Phoenix.LiveViewTest
  import SekaiWeb.LiveHelpers, only: [settled: 1]

  alias Sekai.Accounts.UserPrivilegeRuleset
  alias Sekai.Jobs.RetrainWorker
  alias Sekai.{Models, ScriptedWorker}

  setup_all do: {:ok, script: ScriptedWorker.start()}

  defp open(conn), do: conn |> SekaiWeb.LiveHelpers.open() |> find_live_child("operations")

  defp sign_in(conn, user), do: post(conn, "/login", token: Sekai.Accounts.token(user))

  defp version(name, attributes \\ %{}) do
    metrics = %{
      "candidate" => %{"ndcg" => 0.25, "recall" => 0.4, "coverage" => 0.3},
      "popularity" => %{"ndcg" => 0.1}
    }

    given = %{version: name, algorithm: "ALS", metrics: metrics, trained_at: DateTime.utc_now()}
    {:ok, version} = Models.put_version(Map.merge(given, attributes))
    version
  end

  defp serving(name) do
    version(name)
    {:ok, version} = Models.mark_active(name)
    version
  end

  describe "for who may not administer" do
    test "buttons are there, disabled, with the reason", %{conn: conn} do
      serving("v1")
      version("v2")

      {:ok, _run} = RetrainWorker.request(%{})

      for {conn, reason} <- [{conn, "are for administrators: "}, {sign_in(conn, user()), "is none"}] do
        view = open(conn)
        assert has_element?(view, "#administrators", reason)

        for selector <- ["#retrain button", "#version-v2 button", "#latest-run button"] do
          assert has_element?(view, selector <> "[disabled][aria-describedby=administrators]")
        end
      end
    end

    test "what is asked for all the same is refused", %{conn: conn, script: script} do
      ScriptedWorker.answer(script, %{activate: {:ok, %{version: "v1", algorithm: "ALS", previous: nil}}})
      version("v1")
      view = open(conn)

      for {event, params} <- [
            {"retrain", %{"algorithm" => "ALS"}},
            {"promote", %{"version" => "v1"}},
            {"cancel", %{"id" => Ecto.UUID.generate()}},
            {"no such event", %{}}
          ] do
        assert render_click(view, event, params) =~ "for administrators only"
      end

      assert all_enqueued() == []
      assert ScriptedWorker.calls(script) == []
      assert Models.active() == nil
    end

    test "rights that are withdrawn meanwhile are gone", %{conn: conn} do
      admin = admin()
      view = conn |> sign_in(admin) |> open()
      refute has_element?(view, "#retrain button[disabled]")

      Repo.update_all(from(r in UserPrivilegeRuleset, where: r.user_id == ^admin.id), set: [is_admin: false])
      assert view |> form("#retrain", algorithm: "ALS") |> render_submit() =~ "for administrators only"
      assert has_element?(view, "#retrain button[disabled]")
      assert all_enqueued() == []
    end
  end

  describe "a training" do
    setup %{conn: conn}, do: {:ok, conn: sign_in(conn, admin())}

    test "is the one thing to do where there is no model", %{conn: conn} do
      view = open(conn)
      assert render(view) =~ "There is no model yet"
      assert has_element?(view, "#retrain button.primary", "Train the first model")
      refute has_element?(view, "#versions")
    end

    test "is asked for, and followed to its end", %{conn: conn} do
      serving("v1")
      view = open(conn)
      assert has_element?(view, "#retrain button:not(.primary)", "Retrain")

      view |> form("#retrain", algorithm: "BPR") |> render_submit()
      settled(view)
      assert [%{args: %{"algorithm" => "BPR"}}] = all_enqueued(worker: RetrainWorker)
      assert has_element?(view, "#latest-run", "waiting")
      assert has_element?(view, "#retrain button[disabled]")

      [run] = Models.list_runs()

      {:ok, run} =
        Models.update_run(run, %{state: :running, started_at: DateTime.utc_now(), phase: "fit", share: 0.42})

      assert has_element?(view, "#latest-run progress[value='42']")
      assert has_element?(view, "#latest-run", "fitting, 42%")

      # The bar moves without anything being read out.
      told = view |> element("#latest-run [role=status]") |> render()
      {:ok, run} = Models.update_run(run, %{share: 0.5})
      assert has_element?(view, "#latest-run progress[value='50']")
      assert view |> element("#latest-run [role=status]") |> render() == told

      version("v2")
      {:ok, _run} = Models.close_run(run, %{state: :succeeded, version: "v2", activated: true, share: 1.0})
      assert has_element?(view, "#latest-run", "succeeded")
      assert has_element?(view, "#latest-run [role=status]", "has succeeded")
      refute has_element?(view, "#latest-run progress")
      assert has_element?(view, "#version-v2")
      refute has_element?(view, "#retrain button[disabled]")
    end

    for {state, changes, badge} <- [
          {:failed, %{reason: "it ran out of memory"}, "failed"},
          {:cancelled, %{}, "cancelled"},
          {:succeeded, %{activated: false, reason: "worse than the active model"}, "held back"}
        ] do
      test "that is #{badge} says so", %{conn: conn} do
        {:ok, run} = RetrainWorker.request(%{})
        view = open(conn)
        changes = unquote(Macro.escape(changes))
        {:ok, _run} = Models.close_run(run, Map.put(changes, :state, unquote(state)))
        assert has_element?(view, "#latest-run .badge", unquote(badge))
        if reason = changes[:reason], do: assert(has_element?(view, "#latest-run .reason", reason))
      end
    end

    test "is given up at the press of a button", %{conn: conn} do
      {:ok, run} = RetrainWorker.request(%{})
      view = open(conn)
      view |> element("#latest-run button", "Cancel") |> render_click()
      settled(view)
      assert %{state: :cancelled} = Models.get_run(run.id)
      assert has_element?(view, "#latest-run .badge", "cancelled")
    end

    test "is refused while another is not over, and with nonsense", %{conn: conn} do
      view = open(conn)
      {:ok, _run} = RetrainWorker.request(%{})
      render_click(view, "retrain", %{"algorithm" => "ALS"})
      assert settled(view) =~ "A training waits or runs already."

      render_click(view, "retrain", %{"algorithm" => "MyCF"})
      assert settled(view) =~ "The training is refused: algorithm is none of"
      assert [_one] = all_enqueued()
    end

    test "leaves those before it to be unfolded", %{conn: conn} do
      for algorithm <- ["ALS", "BPR", "SVD"] do
        {:ok, run} = RetrainWorker.request(%{"algorithm" => algorithm})
        :ok = RetrainWorker.cancel(run.id)
      end

      view = open(conn)
      assert has_element?(view, "#latest-run .name", "SVD")
      assert has_element?(view, "#earlier-runs li:first-child .name", "BPR")
      assert has_element?(view, "#earlier-runs li:last-child .name", "ALS")
    end
  end

  describe "versions" do
    setup %{conn: conn}, do: {:ok, conn: sign_in(conn, admin())}

    test "have their metrics; the one that serves has no button", %{conn: conn} do
      serving("v1")
      version("v2", %{metrics: %{}})
      view = open(conn)
      assert has_element?(view, "#serving code", "v1")
      assert has_element?(view, "#serving dd", "0.250")
      assert has_element?(view, "#version-v1 .badge", "serving")
      refute has_element?(view, "#version-v1 button")
      assert has_element?(view, "#version-v2 td", "–")
    end

    test "are the newest, and the one that serves", %{conn: conn} do
      for number <- 1..20 do
        version("v#{number}", %{trained_at: DateTime.add(~U[2026-01-01 00:00:00.000000Z], number, :day)})
      end

      {:ok, _version} = Models.mark_active("v2")
      view = open(conn)
      rows = view |> render() |> LazyHTML.from_fragment() |> LazyHTML.query("#versions tbody code")

      assert Enum.map(rows, &LazyHTML.text/1) ==
               for(number <- [20, 19, 18, 17, 16, 15, 14, 13, 2], do: "v#{number}")
    end

    test "are promoted, for everybody who looks", %{conn: conn} = context do
      serving("v1")
      version("v2")
      other = open(build_conn())
      view = open(conn)

      ScriptedWorker.answer(context.script, %{
        activate: {:ok, %{version: "v2", algorithm: "ALS", previous: "v1"}}
      })

      view |> element("#version-v2 button") |> render_click()
      settled(view)
      for view <- [view, other], do: assert(has_element?(view, "#serving code", "v2"))
      assert %{version: "v2"} = Models.active()
    end

    test "that can't be promoted leave what serves", %{conn: conn} = context do
      serving("v1")
      version("v2")
      view = open(conn)
      ScriptedWorker.answer(context.script, %{activate: {:error, :swap_in_progress}})

      view |> element("#version-v2 button") |> render_click()
      settled(view)
      assert has_element?(view, "#error[role=alert]", "swap_in_progress")
      assert has_element?(view, "#serving code", "v1")
      refute has_element?(view, "#version-v2 button[disabled]")

      # The next thing that is done takes the error away.
      ScriptedWorker.answer(context.script, %{
        activate: {:ok, %{version: "v2", algorithm: "ALS", previous: "v1"}}
      })

      view |> element("#version-v2 button") |> render_click()
      settled(view)
      refute has_element?(view, "#error")
    end

    test "while one is promoted the page goes on, and no other is", %{conn: conn} = context do
      version("v1")
      version("v2")
      view = open(conn)
      ScriptedWorker.answer(context.script, %{activate: :silence})
      view |> element("#version-v1 button") |> render_click()
      assert has_element?(view, "#version-v1 button[disabled]", "Loading…")
      assert has_element?(view, "#version-v2 button[disabled]")

      {:ok, _run} = RetrainWorker.request(%{})
      assert has_element?(view, "#latest-run", "waiting")
    end
  end

  describe "what goes on" do
    test "is shown as the monitor tells it", %{conn: conn} do
      view = open(conn)
      assert render(view) =~ "placement: :none"
      now = System.monotonic_time(:millisecond)
      samples = [{now, 40.0, :answered}, {now, 612.0, :fallback}]
      runners = %{runners: 2, utilisation: 0.25, busy: 0.5, cost_per_1000: 0.01}

      send(
        view.pid,
        {:monitor, %{latency: Sekai.Monitor.Window.summary(samples, now), workers: [], runners: runners}}
      )

      assert has_element?(view, ".over dd", "612 ms")
      assert has_element?(view, ".sparkline rect.fallback")
      assert render(view) =~ "50% are a fallback."
      assert has_element?(view, "#runners dd", "25%")
    end
  end
end
