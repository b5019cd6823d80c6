#!/usr/bin/env escript
%%! -noinput
%% Sends a frame to and fro through Ports and prints how many came back.
%% Arguments: milliseconds of a measurement, rounds, messages in flight, the Python, then a name and a payload in hex
%% for each echo program. Prints a line for each measurement: name, messages, microseconds, and the nanoseconds
%% that half of them took at most, separated by tabs. An echo that differs, dies or is silent ends it with status 1.
-mode(compile).
-define(SILENCE_MS, 10000).

main([Milliseconds, Rounds, Window, Python | Peers]) ->
    Open = [{Name, open(Python, Name), hex(Payload)} || {Name, Payload} <- pairs(Peers)],
    [measure(Peer, 50, list_to_integer(Window)) || Peer <- Open],
    [report(Peer, measure(Peer, list_to_integer(Milliseconds), list_to_integer(Window)))
     || _ <- lists:seq(1, list_to_integer(Rounds)), Peer <- Open],
    [port_close(Port) || {_, Port, _} <- Open].

open(Python, Name) ->
    Arguments = ["-m", "port_worker.bench.codec.echo", Name],
    open_port({spawn_executable, Python}, [{packet, 4}, binary, exit_status, {args, Arguments}]).

%% Fill the window, answer each echo with the next message until the time is over, then take in what is under way.
measure({Name, Port, Payload}, Milliseconds, Window) ->
    Began = now_ns(),
    Until = Began + Milliseconds * 1000000,
    Sent = lists:foldl(fun(_, Queue) -> send(Port, Payload, Queue) end, queue:new(), lists:seq(1, Window)),
    {Count, Took} = exchange(Name, Port, Payload, Sent, Until, 0, []),
    {Count, (now_ns() - Began) div 1000, median(Took)}.

exchange(Name, Port, Payload, Sent, Until, Count, Took) ->
    case queue:out(Sent) of
        {empty, _} ->
            {Count, Took};
        {{value, At}, Rest} ->
            receive
                {Port, {data, Payload}} ->
                    Now = now_ns(),
                    Next = case Now < Until of
                        true -> send(Port, Payload, Rest);
                        false -> Rest
                    end,
                    exchange(Name, Port, Payload, Next, Until, Count + 1, [Now - At | Took]);
                {Port, {data, Other}} ->
                    fail(Name, ["echoed ", binary:encode_hex(Other)]);
                {Port, {exit_status, Status}} ->
                    fail(Name, ["ended with status ", integer_to_list(Status)])
            after ?SILENCE_MS ->
                fail(Name, "said nothing for 10 s")
            end
    end.

send(Port, Payload, Sent) ->
    At = now_ns(),
    true = port_command(Port, Payload),
    queue:in(At, Sent).

now_ns() -> erlang:monotonic_time(nanosecond).

median(Took) -> lists:nth((length(Took) + 1) div 2, lists:sort(Took)).

report({Name, _, _}, {Count, Microseconds, Half}) ->
    io:format("~ts\t~b\t~b\t~b~n", [Name, Count, Microseconds, Half]).

fail(Name, Why) ->
    io:format(standard_error, "~ts ~ts~n", [Name, Why]),
    halt(1).

pairs([Name, Payload | More]) -> [{Name, Payload} | pairs(More)];
pairs([]) -> [].

hex(Text) -> << <<(list_to_integer([High, Low], 16))>> || <<High, Low>> <= list_to_binary(Text) >>.
