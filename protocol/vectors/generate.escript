#!/usr/bin/env escript
%%! -noinput
%% Writes the golden vectors: terms.txt, refused.txt and messages.txt. README.md beside it says what they are.
%% The texts below are the source; every byte comes from this Erlang, or is read back by it. Runs on OTP 23 and later.
-mode(compile).

main([]) ->
    main([filename:dirname(filename:absname(escript:script_name()))]);
main([Folder]) ->
    write(Folder, "terms.txt", ["name", "kind", "hex", "text"], terms()),
    write(Folder, "refused.txt", ["name", "offset", "hex", "erlang"], refused()),
    write(Folder, "messages.txt", ["name", "kind", "hex", "text"], messages());
main(_) ->
    io:format(standard_error, "usage: escript generate.escript [FOLDER]~n", []),
    halt(64).

write(Folder, File, Columns, Rows) ->
    Names = [Name || [Name | _] <- Rows],
    Lines = [["# Made by generate.escript; do not edit. ", lists:join("\t", Columns), "\n"]
             | [[lists:join("\t", Row), "\n"] || Row <- Rows]],
    [error({no_such_line, Row}) || Row <- Rows, length(Row) =/= length(Columns)],
    [error({twice, File}) || length(lists:usort([lists:sublist(Row, 2) || Row <- Rows])) =/= length(Names)],
    ok = file:write_file(filename:join(Folder, File), Lines).

%% Terms

terms() ->
    lists:flatmap(fun encodings/1, integers() ++ floats() ++ atoms() ++ binaries() ++ lists() ++ tuples() ++ maps())
        ++ [made(Name, Bytes, Text) || {Name, Bytes, Text} <- by_hand()].

integers() ->
    [{"integer." ++ Name, integer_to_list(Value)}
     || {Name, Value} <- [
            {"0", 0}, {"1", 1}, {"minus_1", -1}, {"127", 127}, {"128", 128}, {"255", 255}, {"256", 256},
            {"minus_256", -256}, {"65535", 65535}, {"65536", 65536}, {"2^27-1", 1 bsl 27 - 1}, {"2^27", 1 bsl 27},
            {"-2^27-1", -(1 bsl 27) - 1}, {"2^31-1", 1 bsl 31 - 1}, {"2^31", 1 bsl 31}, {"-2^31", -(1 bsl 31)},
            {"-2^31-1", -(1 bsl 31) - 1}, {"2^32-1", 1 bsl 32 - 1}, {"2^32", 1 bsl 32}, {"-2^32", -(1 bsl 32)},
            {"2^53+1", 1 bsl 53 + 1}, {"2^59-1", 1 bsl 59 - 1}, {"2^59", 1 bsl 59}, {"-2^59-1", -(1 bsl 59) - 1},
            {"2^63-1", 1 bsl 63 - 1}, {"2^63", 1 bsl 63}, {"-2^63", -(1 bsl 63)}, {"-2^63-1", -(1 bsl 63) - 1},
            {"2^64-1", 1 bsl 64 - 1}, {"2^64", 1 bsl 64}, {"-2^64", -(1 bsl 64)}, {"2^127", 1 bsl 127},
            {"of_63_bytes", 1 bsl 504 - 1}, {"of_64_bytes", 1 bsl 512 - 1}, {"minus_of_64_bytes", 1 - (1 bsl 512)}
        ]].

floats() ->
    [{"float." ++ Name, Text}
     || {Name, Text} <- [
            {"0", "0.0"}, {"minus_0", "-0.0"}, {"1", "1.0"}, {"minus_1.5", "-1.5"}, {"a_tenth", "0.1"},
            {"small", "1.0e-5"}, {"large", "1.0e300"}, {"2^53", "9007199254740992.0"},
            {"smallest", "5.0e-324"}, {"minus_smallest", "-5.0e-324"}, {"largest_subnormal", "2.225073858507201e-308"},
            {"smallest_normal", "2.2250738585072014e-308"}, {"largest", "1.7976931348623157e308"},
            {"minus_largest", "-1.7976931348623157e308"}, {"next_to_1", "1.0000000000000002"}
        ]].

atoms() ->
    [{"atom." ++ Name, Text}
     || {Name, Text} <- [
            {"nil", "nil"}, {"true", "true"}, {"false", "false"}, {"undefined", "undefined"}, {"ok", "ok"},
            {"infinity", "infinity"}, {"empty", "''"}, {"space", "'A b'"}, {"quote", "'it\\'s'"},
            {"capital", "'Elixir.PortWorker'"}, {"reserved", "'end'"}, {"digit", "'1'"}, {"nul", "'\\x{0}'"},
            {"newline", "'\\n'"}, {"latin1", "'\\x{e9}'"}, {"latin1_last", "'\\x{ff}'"},
            {"two_bytes", "'\\x{100}'"}, {"three_bytes", "'\\x{20ac}'"}, {"four_bytes", "'\\x{1f600}'"},
            {"255_letters", atom_of(255, "a")}, {"255_latin1", atom_of(255, "\\x{e9}")},
            {"127_of_two_bytes", atom_of(127, "\\x{100}")}, {"128_of_two_bytes", atom_of(128, "\\x{100}")},
            {"255_of_four_bytes", atom_of(255, "\\x{1f600}")}
        ]].

atom_of(Size, Character) ->
    lists:flatten(["'", lists:duplicate(Size, Character), "'"]).

binaries() ->
    [{"binary.empty", "<<>>"}, {"binary.text", "<<\"ada\">>"}, {"binary.nul", "<<0>>"}, {"binary.bytes", "<<255,0,1>>"},
     {"binary.utf8", "<<\"\\x{e9}\\x{1f600}\"/utf8>>"}, {"binary.escapes", "<<\"a\\\"b\\\\c\\n\\t\">>"},
     {"binary.like_an_atom", "<<\"nil\">>"}, {"binary.255", bytes(255)}, {"binary.256", bytes(256)},
     {"binary.uuid", "<<\"f47ac10b-58cc-4372-a567-0e02b2c3d479\">>"},
     {"binary.int64_column", "<<1,0,0,0,0,0,0,0,255,255,255,255,255,255,255,255>>"}].

bytes(Size) ->
    lists:flatten(["<<", lists:join(",", [integer_to_list(N rem 256) || N <- lists:seq(1, Size)]), ">>"]).

lists() ->
    [{"list.empty", "[]"}, {"list.of_empty", "[[]]"}, {"list.byte", "[0]"}, {"list.bytes", "[1,2,3]"},
     {"list.charlist", "[104,105]"}, {"list.of_256", "[256]"}, {"list.bytes_and_more", "[1,2,256]"},
     {"list.negative", "[1,-1]"}, {"list.float_among_bytes", "[1,2.0]"}, {"list.255_bytes", list_of(255, "7")},
     {"list.256_bytes", list_of(256, "7")}, {"list.256_atoms", list_of(256, "ok")},
     {"list.nested", "[[],[[]],[[1]],[[a]]]"}, {"list.mixed", "[nil,true,1,1.0,<<\"1\">>,[],{}]"},
     {"list.64_deep", lists:duplicate(64, $[) ++ lists:duplicate(64, $])},
     {"list.64_deep_of_an_atom", lists:duplicate(64, $[) ++ "a" ++ lists:duplicate(64, $])}].

list_of(Size, Element) ->
    lists:flatten(["[", lists:join(",", lists:duplicate(Size, Element)), "]"]).

tuples() ->
    [{"tuple.empty", "{}"}, {"tuple.1", "{a}"}, {"tuple.nested", "{ok,{},[],{{{}}}}"},
     {"tuple.pair", "{<<\"m7\">>,0.5}"},
     {"tuple.255", tuple_of(255)}, {"tuple.256", tuple_of(256)},
     {"tuple.64_deep", lists:duplicate(64, ${) ++ lists:duplicate(64, $})}].

tuple_of(Size) ->
    "{" ++ lists:flatten(lists:join(",", lists:duplicate(Size, "1"))) ++ "}".

maps() ->
    [{"map.empty", "#{}"}, {"map.atom", "#{a => 1}"}, {"map.nil", "#{nil => nil}"},
     {"map.binary", "#{<<\"a\">> => []}"},
     {"map.of_all_keys", "#{a => 1,<<\"a\">> => 2,1 => 3,-1 => 4,1.5 => 5,nil => 6}"},
     {"map.0_and_minus_1", "#{0 => a,-1 => b}"},
     {"map.int64_keys", "#{9223372036854775807 => 1,-9223372036854775808 => 2}"},
     {"map.true_and_2", "#{true => 1,2 => 2}"}, {"map.nested", "#{a => #{a => #{a => #{}}}}"},
     {"map.in_a_list", "[#{a => 1},#{b => [1,2]}]"}, {"map.in_a_tuple", "{#{},#{b => {}}}"},
     {"map.32", map_of(32)}, {"map.33", map_of(33)}, {"map.1024", map_of(1024)}].

map_of(Size) ->
    Pairs = [[integer_to_list(N), " => ", integer_to_list(N rem 2)] || N <- lists:seq(1, Size)],
    lists:flatten(["#{", lists:join(",", Pairs), "}"]).

by_hand() ->
    Name = lists:duplicate(255, $a),
    Latin1 = binary:copy(<<16#e9>>, 255),
    [{"tag.97", <<97, 255>>, "255"},
     {"tag.98_of_a_byte", <<98, 0, 0, 0, 7>>, "7"},
     {"tag.110_of_a_byte", <<110, 1, 0, 7>>, "7"},
     {"tag.110_minus", <<110, 1, 1, 7>>, "-7"},
     {"tag.110_of_nothing", <<110, 0, 0>>, "0"},
     {"tag.110_zeros_behind", <<110, 4, 0, 7, 0, 0, 0>>, "7"},
     {"tag.110_as_in_pairs_of_int64", <<110, 8, 0, 7, 0:56>>, "7"},
     {"tag.110_minus_as_in_pairs_of_int64", <<110, 8, 1, 7, 0:56>>, "-7"},
     {"tag.110_minus_2^31", <<110, 4, 1, 0, 0, 0, 128>>, "-2147483648"},
     {"tag.111_of_two_bytes", <<111, 2:32, 0, 1, 2>>, "513"},
     {"tag.111_minus", <<111, 1:32, 1, 2>>, "-2"},
     {"tag.100", <<100, 2:16, "ok">>, "ok"},
     {"tag.115", <<115, 2, "ok">>, "ok"},
     {"tag.118", <<118, 2:16, "ok">>, "ok"},
     {"tag.119", <<119, 2, "ok">>, "ok"},
     {"tag.100_latin1", <<100, 1:16, 16#e9>>, "'\\x{e9}'"},
     {"tag.115_latin1", <<115, 1, 16#e9>>, "'\\x{e9}'"},
     {"tag.118_utf8", <<118, 2:16, 16#c3, 16#a9>>, "'\\x{e9}'"},
     {"tag.119_utf8", <<119, 2, 16#c3, 16#a9>>, "'\\x{e9}'"},
     {"tag.100_latin1_like_utf8", <<100, 2:16, 16#c3, 16#a9>>, "'\\x{c3}\\x{a9}'"},
     {"tag.115_latin1_like_utf8", <<115, 2, 16#c3, 16#a9>>, "'\\x{c3}\\x{a9}'"},
     {"tag.100_empty", <<100, 0:16>>, "''"},
     {"tag.115_empty", <<115, 0>>, "''"},
     {"tag.118_empty", <<118, 0:16>>, "''"},
     {"tag.119_empty", <<119, 0>>, "''"},
     {"tag.100_of_255", [<<100, 255:16>>, Name], "'" ++ Name ++ "'"},
     {"tag.115_of_255", <<115, 255, Latin1/binary>>, atom_of(255, "\\x{e9}")},
     {"tag.118_of_255", [<<118, 255:16>>, Name], "'" ++ Name ++ "'"},
     {"tag.100_nil", <<100, 3:16, "nil">>, "nil"},
     {"tag.115_true", <<115, 4, "true">>, "true"},
     {"tag.118_false", <<118, 5:16, "false">>, "false"},
     {"tag.105_of_1", <<105, 1:32, 97, 1>>, "{1}"},
     {"tag.105_of_nothing", <<105, 0:32>>, "{}"},
     {"tag.107_of_nothing", <<107, 0:16>>, "[]"},
     {"tag.108_of_bytes", <<108, 2:32, 97, 1, 97, 2, 106>>, "[1,2]"},
     {"tag.108_of_nothing", <<108, 0:32, 106>>, "[]"},
     {"tag.116_keys_backwards", <<116, 2:32, 119, 1, "b", 97, 1, 119, 1, "a", 97, 2>>, "#{b => 1,a => 2}"},
     {"tag.116_atoms_of_all_tags",
      <<116, 4:32, 100, 1:16, "a", 106, 115, 1, "b", 106, 118, 1:16, "c", 106, 119, 1, "d", 106>>,
      "#{a => [],b => [],c => [],d => []}"}].

%% Messages, as whole frames. Of the host's, both ways that an Erlang may write an atom; a worker has one.

messages() ->
    lists:append([encodings(Message, frame) || {"host." ++ _, _} = Message <- host()])
        ++ [Line || Message <- worker(), [_, Kind | _] = Line <- encodings(Message, frame), Kind =/= "v1"].

host() ->
    [{"host." ++ Name, Text}
     || {Name, Text} <- [
            {"ping", "{call,0,ping,#{},infinity}"},
            {"status", "{call,1,status,#{},1000}"},
            {"models", "{call,2,models,#{},0}"},
            {"activate", "{call,9,activate,#{version => <<\"20260102T030405Z-als-0a1b2c\">>},30000}"},
            {"rollback", "{call,10,rollback,#{},infinity}"},
            {"drain", "{call,3,drain,#{},604800000}"},
            {"recommend", "{call,4,recommend,#{user => <<\"ada\">>},250}"},
            {"recommend.integer", "{call,5,recommend,#{user => 42},infinity}"},
            {"recommend.n", "{call,255,recommend,#{user => <<\"ada\">>,n => 10},infinity}"},
            {"recommend.exclude",
             "{call,256,recommend,#{user => -9223372036854775808,n => 10000,"
             "exclude => [<<\"m7\">>,9223372036854775807,<<\"\\x{e9}\"/utf8>>]},50}"},
            {"recommend.exclude_bytes", "{call,257,recommend,#{user => 1,exclude => [1,2,3]},50}"},
            {"recommend.exclude_none", "{call,258,recommend,#{user => 1,exclude => []},50}"},
            {"recommend.uuid",
             "{call,259,recommend,#{user => <<\"f47ac10b-58cc-4372-a567-0e02b2c3d479\">>,n => 1},50}"},
            {"columns.form", "{call,260,recommend,#{user => <<\"ada\">>,form => columns},50}"},
            {"columns.pairs", "{call,261,recommend,#{user => <<\"ada\">>,form => pairs},50}"},
            {"columns.user", "{call,262,recommend,#{user => {uuid," ++ bytes(16) ++ "}},50}"},
            {"columns.exclude_int64",
             "{call,263,recommend,#{user => 1,"
             "exclude => {int64,<<7,0,0,0,0,0,0,0,255,255,255,255,255,255,255,255>>}},50}"},
            {"columns.exclude_uuid", "{call,264,recommend,#{user => 1,exclude => {uuid," ++ bytes(32) ++ "}},50}"},
            {"columns.exclude_none", "{call,265,recommend,#{user => 1,exclude => {int64,<<>>}},50}"},
            {"recommend.options",
             "{call,266,recommend,#{user => 1,kinds => [<<\"map\">>,<<\"prop\">>],filter_consumed => false,"
             "diversity => 0.25,recent => [7,<<\"m2\">>],features => #{<<\"language\">> => <<\"en\">>}},50}"},
            {"recommend.features",
             "{call,267,recommend,#{user => 1,"
             "features => #{<<\"age\">> => 20,<<\"height\">> => 1.5,<<\"vr\">> => true}},50}"},
            {"recommend.nil", "{call,268,recommend,#{user => 1,kinds => nil,recent => nil,features => nil},50}"},
            {"columns.recent", "{call,269,recommend,#{user => 1,recent => {uuid," ++ bytes(16) ++ "}},50}"},
            {"recommend_many",
             "{call,270,recommend_many,#{users => [<<\"ada\">>,-7],n => 2,exclude => [<<\"m7\">>],"
             "kinds => [<<\"map\">>],filter_consumed => true},60000}"},
            {"recommend_many.one", "{call,271,recommend_many,#{users => [<<\"ada\">>]},60000}"},
            {"columns.users", "{call,272,recommend_many,#{users => {int64," ++ bytes(16) ++ "}},60000}"},
            {"similar", "{call,273,similar,#{item => <<\"m7\">>},50}"},
            {"similar.dot", "{call,274,similar,#{item => 7,n => 3,metric => dot,form => columns},50}"},
            {"similar.cosine", "{call,275,similar,#{item => 7,metric => cosine,kinds => nil,exclude => [300]},50}"},
            {"score", "{call,276,score,#{user => <<\"ada\">>,items => [<<\"m7\">>,<<\"m7\">>]},50}"},
            {"columns.score", "{call,277,score,#{user => 1,items => {int64," ++ bytes(8) ++ "},form => columns},50}"},
            {"explain", "{call,278,explain,#{user => <<\"ada\">>,item => <<\"m7\">>,n => 5},50}"},
            {"feedback", "{call,279,feedback,#{user => <<\"ada\">>,item => <<\"m7\">>},50}"},
            {"feedback.one", "{call,280,feedback,#{user => 1,item => 2,weight => -0.5,time => 1760000000},50}"},
            {"feedback.batch",
             "{call,281,feedback,#{users => [<<\"ada\">>,<<\"bo\">>],items => [<<\"m7\">>,<<\"m2\">>],"
             "weights => [2,0.5],times => [1760000000,0]},50}"},
            {"feedback.nil", "{call,282,feedback,#{users => [300],items => [301],weights => nil,times => nil},50}"},
            {"columns.feedback",
             "{call,283,feedback,#{users => {int64," ++ bytes(8) ++ "},items => {uuid," ++ bytes(16) ++ "},"
             "weights => {float32,<<0,0,0,63>>},times => {int64,<<0,120,231,104,0,0,0,0>>}},50}"},
            {"hide_items", "{call,284,hide_items,#{items => [<<\"m7\">>]},50}"},
            {"columns.hide_items", "{call,285,hide_items,#{items => {uuid," ++ bytes(32) ++ "}},50}"},
            {"show_items", "{call,286,show_items,#{items => [<<\"m7\">>,300]},50}"},
            {"retrain", "{call,2147483648,retrain,#{},infinity}"},
            {"retrain.nil", "{call,6,retrain,#{algorithm => nil},infinity}"},
            {"retrain.algorithm", "{call,7,retrain,#{algorithm => <<\"bpr\">>},600000}"},
            {"retrain.params",
             "{call,9223372036854775807,retrain,#{algorithm => <<\"bpr\">>,params => #{<<\"lr\">> => 0.001,"
             "<<\"n_epochs\">> => 20,<<\"use_bn\">> => true,<<\"reg\">> => nil,<<\"loss_type\">> => <<\"bpr\">>,"
             "<<\"hidden_units\">> => [128,64,32]}},infinity}"},
            {"retrain.two_stage",
             "{call,8,retrain,#{retriever => <<\"TwoTower\">>,ranker => <<\"DIN\">>,"
             "retriever_params => #{<<\"lr\">> => 0.001},params => #{<<\"n_epochs\">> => 2},"
             "candidates => 200},infinity}"},
            {"retrain.mode",
             "{call,9,retrain,#{source => <<\"uro\">>,mode => incremental,epochs => 2,seed => 7,budget_s => 90.5,"
             "activate => never},infinity}"},
            {"cancel", "{cancel,0}"},
            {"cancel.last", "{cancel,9223372036854775807}"}
        ]].

worker() ->
    [{"worker." ++ Name, Text}
     || {Name, Text} <- [
            {"hello", "{hello," ++ hello("nil") ++ "}"},
            {"hello.model", "{hello," ++ hello(model()) ++ "}"},
            {"ok.ping", "{ok,0,pong}"},
            {"ok.status",
             "{ok,1,#{state => ready,os_pid => 4711,uptime_ms => 60000,rss_bytes => 123456789,heavy_modules => "
             "[<<\"tensorflow\">>],model => " ++ model() ++ ",in_flight => 1,queued => 0,bulk_queued => 0,"
             "answered => 1000,errors => 2,batches => 20,batch_mean => 1.5,batch_max => 64,queue_ms_mean => 0.25,"
             "queue_ms_max => 12.5,service_ms_mean => 0.5,service_ms_max => 7.25,feedback_rows => 12,hidden_items => 3,"
             "training => #{phase => fit,share => 0.25,epoch => 5,epochs => 20,"
             "loss => 0.5,rows => nil}}}"},
            {"ok.recommend",
             "{ok,4,#{items => [{<<\"m7\">>,0.5},{<<\"m2\">>,-0.25}],model => <<\"v1\">>,source => model,"
             "exhausted => false,"
             "scored => 2,ignored => []}}"},
            {"ok.recommend.popular",
             "{ok,5,#{items => [{7,12.0},{-1,1.0e-5}],model => <<\"v1\">>,source => popular,exhausted => true,"
             "scored => 2,ignored => []}}"},
            {"ok.recommend.none", "{ok,255,#{items => [],model => <<\"v1\">>,source => model,exhausted => true,"
             "scored => 0,ignored => []}}"},
            {"ok.recommend.columns",
             "{ok,6,#{items => #{ids => {int64,<<7,0,0,0,0,0,0,0,255,255,255,255,255,255,255,255>>},"
             "scores => {float32,<<0,0,0,63,0,0,128,190>>}},model => <<\"v1\">>,source => model,exhausted => false,"
             "scored => 2,ignored => []}}"},
            {"ok.recommend.columns_of_uuids",
             "{ok,6,#{items => #{ids => {uuid," ++ bytes(16) ++ "},scores => {float32,<<0,0,0,63>>}},"
             "model => <<\"v1\">>,source => popular,exhausted => true,"
             "scored => 1,ignored => []}}"},
            {"ok.recommend.columns_of_texts",
             "{ok,6,#{items => #{ids => [<<\"m7\">>],scores => {float32,<<0,0,0,63>>}},"
             "model => <<\"v1\">>,source => popular,exhausted => true,"
             "scored => 1,ignored => []}}"},
            {"ok.recommend.columns_of_none",
             "{ok,6,#{items => #{ids => {int64,<<>>},scores => {float32,<<>>}},"
             "model => <<\"v1\">>,source => model,exhausted => true,"
             "scored => 0,ignored => []}}"},
            {"ok.recommend.topped_up",
             "{ok,8,#{items => [{<<\"m7\">>,0.5},{<<\"m2\">>,0.0}],model => <<\"v1\">>,source => fold_in,"
             "exhausted => false,scored => 1,ignored => [<<\"recent[3]\">>,<<\"features.language\">>]}}"},
            {"ok.recommend.features",
             "{ok,8,#{items => [{<<\"m7\">>,0.5}],model => <<\"v1\">>,source => features,exhausted => true,"
             "scored => 1,ignored => []}}"},
            {"ok.recommend_many",
             "{ok,9,#{ids => {int64,<<7,0,0,0,0,0,0,0,255,255,255,255,255,255,255,255>>},"
             "items => {int32,<<1,0,0,0,0,0,0,0,0,0,0,0,255,255,255,255>>},"
             "scores => {float32,<<0,0,0,63,0,0,128,62,0,0,64,64,0,0,0,0>>},sources => {uint8,<<0,3>>},"
             "source_names => [model,fold_in,features,popular],n => 2,model => <<\"v1\">>}}"},
            {"ok.recommend_many.texts",
             "{ok,9,#{ids => [<<\"m7\">>],items => {int32,<<0,0,0,0>>},scores => {float32,<<0,0,0,63>>},"
             "sources => {uint8,<<0>>},source_names => [model],n => 1,model => <<\"v1\">>}}"},
            {"ok.similar",
             "{ok,10,#{items => [{<<\"m2\">>,0.75}],model => <<\"v1\">>,metric => cosine,exhausted => true}}"},
            {"ok.similar.columns",
             "{ok,10,#{items => #{ids => {int64,<<7,0,0,0,0,0,0,0,255,255,255,255,255,255,255,255>>},"
             "scores => {float32,<<0,0,0,63,0,0,128,190>>}},model => <<\"v1\">>,metric => dot,exhausted => false}}"},
            {"ok.score", "{ok,11,#{scores => [0.5,nil,-0.25],source => model,model => <<\"v1\">>}}"},
            {"ok.score.columns",
             "{ok,11,#{scores => {float32,<<0,0,0,63,0,0,192,127>>},source => popular,model => <<\"v1\">>}}"},
            {"ok.explain",
             "{ok,12,#{items => [{<<\"m2\">>,0.25},{<<\"m3\">>,-0.125}],score => 0.5,source => model,"
             "model => <<\"v1\">>,method => exact}}"},
            {"ok.explain.none",
             "{ok,12,#{items => [],score => 12.0,source => popular,model => <<\"v1\">>,method => similarity}}"},
            {"ok.feedback", "{ok,13,#{accepted => 2,unknown_users => 1,unknown_items => 0,stored => 100}}"},
            {"ok.hide_items", "{ok,14,#{changed => 1,hidden => 3,unknown => 0}}"},
            {"ok.show_items", "{ok,15,#{changed => 3,hidden => 0,unknown => 1}}"},
            {"ok.retrain",
             "{ok,7,#{version => <<\"v2\">>,algorithm => <<\"bpr\">>,mode => full,rows => 100000,skipped => 0,"
             "users => 943,items => 1682,duration_ms => 12345,activated => true,"
             "reason => <<\"NDCG@10 0.2500 to popularity's 0.0625, of 943 users\">>,"
             "evaluation => #{users => 943,cutoff => 10,standard_error => 0.0078125,basis => nil,"
             "compared_users => nil,candidate => " ++ figures("0.25") ++ ",popularity => " ++ figures("0.0625")
             ++ ",active => nil}}}"},
            {"ok.models.none", "{ok,2,#{active => nil,versions => []}}"},
            {"ok.models",
             "{ok,2,#{active => <<\"v2\">>,versions => [#{version => <<\"v2\">>,algorithm => <<\"bpr\">>,"
             "created_at => 1760000000,users => 943,items => 1682,rows => 100000,bytes => 1048576,active => true,"
             "damaged => nil,kind => <<\"two_stage\">>,facts => #{<<\"kinds\">> => [<<\"map\">>],"
             "<<\"index\">> => #{<<\"recall\">> => 0.97}}},#{version => <<\"v1\">>,algorithm => nil,"
             "created_at => nil,users => nil,items => nil,rows => nil,bytes => nil,active => false,damaged => <<\"manifest.json: no such file\">>,kind => nil,"
             "facts => nil}]}}"},
            {"ok.activate",
             "{ok,9,#{version => <<\"v1\">>,algorithm => <<\"bpr\">>,previous => <<\"v2\">>}}"},
            {"ok.activate.first", "{ok,9,#{version => <<\"v1\">>,algorithm => <<\"bpr\">>,previous => nil}}"},
            {"ok.drain", "{ok,3,#{completed => 1000}}"},
            {"progress.extract",
             "{progress,7,#{phase => extract,share => 0.0,epoch => nil,epochs => nil,loss => nil,rows => 0}}"},
            {"progress.prepare",
             "{progress,7,#{phase => prepare,share => 0.1,epoch => nil,epochs => nil,loss => nil,rows => 100000}}"},
            {"progress.fit",
             "{progress,7,#{phase => fit,share => 0.5,epoch => 3,epochs => 20,loss => 0.6931471805599453,"
             "rows => nil}}"},
            {"progress.evaluate",
             "{progress,7,#{phase => evaluate,share => 0.55,epoch => nil,epochs => nil,loss => nil,rows => nil,"
             "ndcg => nil,seconds_left => 10.5}}"},
            {"progress.final_fit",
             "{progress,7,#{phase => final_fit,share => 0.6,epoch => 1,epochs => 20,loss => 0.5,rows => nil,"
             "ndcg => 0.25,seconds_left => 9.0}}"},
            {"progress.export",
             "{progress,7,#{phase => export,share => 0.9,epoch => nil,epochs => nil,loss => nil,rows => nil}}"},
            {"progress.load",
             "{progress,7,#{phase => load,share => 1.0,epoch => nil,epochs => nil,loss => nil,rows => nil}}"},
            {"event.model_activated", "{event,model_activated," ++ model() ++ "}"},
            {"event.model_damaged",
             "{event,model_damaged," ++ error_facts("model_damaged", "false", "<<\"version\">> => <<\"v1\">>") ++ "}"},
            {"event.draining", "{event,draining,#{}}"},
            {"error.no_id",
             "{error,nil," ++ error_facts("malformed_term", "false",
             "<<\"field\">> => <<\"term\">>,<<\"offset\">> => 1,"
             "<<\"expected\">> => <<\"a permitted term\">>,<<\"got\">> => <<\"a pid\">>") ++ "}"}
        ]]
        ++ [{"worker.error." ++ Code,
             "{error,7," ++ error_facts(Code, Retryable,
             "<<\"field\">> => <<\"n\">>,<<\"known\">> => [<<\"a\">>,<<\"b\">>]")
             ++ "}"} || {Code, Retryable} <- codes()].

hello(Model) ->
    "#{protocol => 1,worker => #{name => <<\"port_worker\">>,version => <<\"0.1.0\">>,python => <<\"3.11.7\">>},"
    "os_pid => 4711,ops => [ping,status,recommend,recommend_many,similar,score,explain,feedback,hide_items,"
    "show_items,retrain,models,activate,rollback,drain],limits => #{max_frame_bytes => 16777216,"
    "max_in_flight => 4096,max_batch => 64,max_bulk => 8,max_items => 10000,max_exclude => 30000,"
    "max_users => 100000,max_feedback => 100000,max_recent => 1000,max_kinds => 256,max_features => 64,max_id_bytes => 255,"
    "max_terms => 32768,max_depth => 64,max_map_pairs => 1024,max_bignum_bytes => 64,max_atom_bytes => 1020},"
    "model => " ++ Model ++ "}".

figures(Ndcg) ->
    "#{recall => 0.5,ndcg => " ++ Ndcg ++ ",map => 0.125,coverage => 0.75,novelty => 3.5}".

model() ->
    "#{version => <<\"v1\">>,algorithm => <<\"bpr\">>,users => 943,items => 1682,created_at => 1760000000,"
    "kind => <<\"embedding\">>,options => [<<\"diversity\">>,<<\"similar\">>,<<\"dot\">>,<<\"fold_in\">>]}".

error_facts(Code, Retryable, Details) ->
    "#{code => " ++ Code ++ ",message => <<\"n: expected an integer, got \\x{201c}\\x{e9}\\x{201d}\"/utf8>>,"
    "retryable => " ++ Retryable ++ ",details => #{" ++ Details ++ "}}".

codes() ->
    [{Code, "false"} || Code <- [
         "malformed_term", "malformed_message", "frame_too_large", "id_in_use", "unknown_op", "missing_argument",
         "unknown_argument", "invalid_argument", "unknown_algorithm", "invalid_hyperparameter",
         "algorithm_unavailable", "training_unavailable", "unknown_item", "unsupported_option", "too_many_hidden",
         "reply_too_large", "training_failed", "model_damaged", "unknown_version", "no_previous_version",
         "source_missing", "source_unreadable", "source_missing_column", "source_invalid_row", "source_empty",
         "cancelled", "internal"]]
    ++ [{Code, "true"} || Code <- [
         "swap_in_progress", "store_unavailable",
         "training_in_progress", "no_model", "feedback_unavailable", "deadline_exceeded", "overloaded", "draining"]].

%% What the protocol refuses. The last column is what Erlang makes of it: a term, badarg, or - where releases differ.
%% Pids and their like are written by hand, with a node of their own, because this node's differ from run to run.

refused() ->
    [[Name, offset(Offset), hex(Bytes), erlang(Name, iolist_to_binary(Bytes), Erlang)]
     || {Name, Offset, Bytes, Erlang} <- kinds() ++ keys() ++ limits() ++ counts() ++ texts() ++ truncated()].

offset(none) -> "-";
offset(Offset) -> integer_to_list(Offset).

erlang(_Name, _Bytes, any) ->
    "-";
erlang(Name, Bytes, Expected) ->
    Made = try binary_to_term(Bytes) of _ -> term catch error:badarg -> badarg end,
    [error({Name, Made}) || Made =/= Expected],
    atom_to_list(Made).

kinds() ->
    Node = <<119, 4, "n@h1">>,
    OldNode = <<100, 4:16, "n@h1">>,
    Inside = iolist_to_binary([108, <<100:32>>, lists:duplicate(100, <<97, 7>>), 106]),
    [{"compressed.integer", 1, [131, 80, <<2:32>>, stored(<<97, 1>>)], term},
     {"compressed.list", 1, [131, 80, <<(byte_size(Inside)):32>>, stored(Inside)], term},
     {"compressed.of_a_lie", 1, [131, 80, <<-1:32>>, stored(<<97, 1>>)], badarg},
     {"compressed.inside", 3, [131, 104, 1, 80, <<2:32>>, stored(<<97, 1>>)], badarg},
     {"pid.new", 1, [131, 88, Node, <<38:32, 0:32, 1:32>>], term},
     {"pid.old", 1, [131, 103, OldNode, <<38:32, 0:32, 1>>], term},
     {"pid.inside", 5, [131, 104, 2, 97, 1, 88, Node, <<38:32, 0:32, 1:32>>], term},
     {"pid.as_a_key", 6, [131, 116, <<1:32>>, 88, Node, <<38:32, 0:32, 1:32>>, 106], term},
     {"port.new", 1, [131, 89, Node, <<5:32, 1:32>>], term},
     {"port.old", 1, [131, 102, OldNode, <<5:32, 1>>], term},
     {"port.v4", 1, [131, 120, Node, <<5:64, 1:32>>], any},
     {"reference.newer", 1, [131, 90, <<3:16>>, Node, <<1:32, 1:32, 2:32, 3:32>>], term},
     {"reference.new", 1, [131, 114, <<3:16>>, OldNode, <<1, 1:32, 2:32, 3:32>>], term},
     {"reference.old", 1, [131, 101, OldNode, <<1:32, 1>>], any},
     {"fun.external", 1, <<131, 113, 119, 6, "erlang", 119, 4, "node", 97, 0>>, term},
     {"fun.new", 1, new_fun(Node), any},
     {"fun.old", 1, [131, 117, <<0:32>>, 103, OldNode, <<38:32, 0:32, 1>>, 119, 1, "m", 97, 0, 97, 0], any},
     {"bit_string", 1, term_to_binary(<<1:3>>), term},
     {"bit_string.inside", 6, term_to_binary([<<1:3>>], [{minor_version, 2}]), term},
     {"improper_list", 1, term_to_binary([a | b], [{minor_version, 2}]), term},
     {"improper_list.of_bytes", 1, term_to_binary([1 | 2]), term},
     {"improper_list.ends_with_a_string", 1, <<131, 108, 1:32, 97, 1, 107, 1:16, 2>>, term},
     {"improper_list.ends_with_a_list", 1, <<131, 108, 1:32, 97, 1, 108, 1:32, 97, 2, 106>>, term},
     {"improper_list.of_nothing", 1, <<131, 108, 0:32, 97, 1>>, any},
     {"improper_list.inside", 3, [131, 104, 1, 108, <<1:32>>, 106, 104, 0], term},
     {"float.as_text", 1, term_to_binary(1.5, [{minor_version, 0}]), term},
     {"float.nan", 1, <<131, 70, 16#7ff8:16, 0:48>>, badarg},
     {"float.signalling_nan", 1, <<131, 70, 16#7ff0:16, 1:48>>, badarg},
     {"float.infinity", 1, <<131, 70, 16#7ff0:16, 0:48>>, badarg},
     {"float.minus_infinity", 1, <<131, 70, 16#fff0:16, 0:48>>, badarg},
     {"float.nan_inside", 5, <<131, 104, 2, 97, 1, 70, 16#fff8:16, 0:48>>, badarg},
     {"atom_cache_reference", 1, <<131, 82, 0>>, badarg},
     {"distribution_header", 1, <<131, 68, 0, 97, 1>>, badarg},
     {"local", 1, <<131, 121, 0:64, 97, 1>>, badarg},
     {"tag.0", 1, <<131, 0>>, badarg},
     {"tag.131", 1, <<131, 131, 97, 1>>, badarg},
     {"tag.255", 1, <<131, 255>>, badarg},
     {"tag.none", 1, <<131>>, badarg},
     {"version.none", 0, <<>>, badarg},
     {"version.other", 0, <<130, 97, 1>>, badarg},
     {"version.forgotten", 0, <<97, 1>>, badarg},
     {"trailing.byte", 3, <<131, 97, 1, 0>>, term},
     {"trailing.term", 3, <<131, 97, 1, 97, 2>>, term},
     {"trailing.version", 3, <<131, 97, 1, 131, 97, 2>>, term},
     {"trailing.after_a_list", 9, [131, 108, <<1:32>>, 97, 1, 106, 106], term}].

%% A zlib stream of one stored block: what deflate makes differs from one zlib to the next.
stored(Bytes) ->
    Size = byte_size(Bytes),
    <<16#78, 16#01, 1, Size:16/little, (bnot Size):16/little, Bytes/binary, (erlang:adler32(Bytes)):32>>.

new_fun(Node) ->
    Body = [<<0, 0:128, 0:32, 0:32>>, <<119, 1, "m">>, 97, 0, 97, 0, 88, Node, <<38:32, 0:32, 1:32>>],
    [131, 112, <<(iolist_size(Body) + 4):32>>, Body].

keys() ->
    Map = fun(Keys) -> [131, 116, <<(length(Keys)):32>>, [[Key, 106] || Key <- Keys]] end,
    One = <<97, 1>>,
    True = <<119, 4, "true">>,
    Big = <<110, 8, 0, 0:56, 128>>,
    [{"keys.integer_twice", 1, Map([One, One]), badarg},
     {"keys.integer_twice_in_other_tags", 1, Map([One, <<98, 1:32>>]), badarg},
     {"keys.atom_twice_in_other_tags", 1, Map([<<119, 1, "a">>, <<100, 1:16, "a">>]), badarg},
     {"keys.binary_twice", 1, Map([<<109, 1:32, "a">>, <<109, 1:32, "a">>]), badarg},
     {"keys.one_of_33_twice", 1, Map([<<97, 7>> | [<<97, N>> || N <- lists:seq(1, 33)]]), badarg},
     {"keys.1_and_1.0", 1, Map([One, <<70, 1.0/float>>]), term},
     {"keys.1_and_true", 1, Map([One, True]), term},
     {"keys.0_and_false", 1, Map([<<119, 5, "false">>, <<97, 0>>]), term},
     {"keys.1.0_and_true", 1, Map([<<70, 1.0/float>>, True]), term},
     {"keys.0_and_0.0", 1, Map([<<97, 0>>, <<70, 0.0/float>>]), term},
     {"keys.0.0_and_minus_0.0", 1, Map([<<70, 0.0/float>>, <<70, -0.0/float>>]), any},
     {"keys.2^63", 1, Map([Big]), term},
     {"keys.minus_2^63_and_1", 1, Map([<<110, 8, 1, 1, 0:48, 128>>]), term},
     {"keys.list", 1, Map([<<106>>]), term},
     {"keys.string", 1, Map([<<107, 1:16, 1>>]), term},
     {"keys.tuple", 1, Map([<<104, 0>>]), term},
     {"keys.map", 1, Map([<<116, 0:32>>]), term},
     {"keys.twice_inside", 3, [131, 104, 1, tl(Map([One, One]))], badarg}].

limits() ->
    [{"limit.depth_of_lists", 321, nested(65, <<108, 1:32>>, <<106>>, <<106>>), term},
     {"limit.depth_of_tuples", 129, nested(65, <<104, 1>>, <<106>>, <<>>), term},
     {"limit.depth_of_large_tuples", 321, nested(65, <<105, 1:32>>, <<106>>, <<>>), term},
     {"limit.depth_of_maps", 449, nested(65, <<116, 1:32, 97, 1>>, <<106>>, <<>>), term},
     {"limit.map_of_1025", 1, [131, 116, <<1025:32>>, [<<98, N:32, 106>> || N <- lists:seq(1, 1025)]], term},
     {"limit.bignum_of_65_bytes", 1, term_to_binary(1 bsl 519), term},
     {"limit.minus_bignum_of_65_bytes", 1, term_to_binary(-(1 bsl 519)), term},
     {"limit.bignum_of_256_bytes", 1, term_to_binary(1 bsl 2047), term},
     {"limit.bignum_of_zeros", 1, [131, 110, 65, 0, binary:copy(<<0>>, 65)], any},
     {"limit.atom_of_256_latin1", 1, [131, 100, <<256:16>>, binary:copy(<<"a">>, 256)], badarg},
     {"limit.atom_of_256_utf8", 1, [131, 118, <<256:16>>, binary:copy(<<"a">>, 256)], badarg},
     {"limit.atom_of_1021_bytes", 1, [131, 118, <<1021:16>>, binary:copy(<<"a">>, 1021)], badarg},
     {"limit.atom_of_256_of_four_bytes", 1, [131, 118, <<1024:16>>, binary:copy(<<16#1f600/utf8>>, 256)], badarg}].

nested(Depth, Opening, Innermost, Closing) ->
    [131, binary:copy(Opening, Depth), Innermost, binary:copy(Closing, Depth)].

counts() ->
    [{"count.list", 1, <<131, 108, -1:32, 106>>, badarg},
     {"count.list_of_one_more", none, <<131, 108, 2:32, 97, 1, 106>>, badarg},
     {"count.list_of_2^31", 1, <<131, 108, (1 bsl 31):32, 106>>, badarg},
     {"count.tuple", 1, <<131, 104, 255, 106>>, badarg},
     {"count.large_tuple", 1, <<131, 105, -1:32, 106>>, badarg},
     {"count.large_tuple_of_2^24", 1, <<131, 105, (1 bsl 24):32, 106>>, badarg},
     {"count.map", 1, <<131, 116, -1:32, 106>>, badarg},
     {"count.map_within_the_limit", 1, <<131, 116, 1024:32, 106, 106>>, badarg},
     {"count.string", none, <<131, 107, -1:16, 1, 2>>, badarg},
     {"count.binary", none, <<131, 109, -1:32, 1, 2>>, badarg},
     {"count.binary_of_one_more", none, <<131, 109, 3:32, 1, 2>>, badarg},
     {"count.binary_of_2^31", none, <<131, 109, (1 bsl 31):32, 1, 2>>, badarg},
     {"count.bignum", none, <<131, 110, 5, 0, 1, 2>>, badarg},
     {"count.large_bignum", 1, <<131, 111, -1:32, 0, 1>>, badarg},
     {"count.atom_latin1", none, <<131, 100, 5:16, "four">>, badarg},
     {"count.small_atom_latin1", none, <<131, 115, 5, "four">>, badarg},
     {"count.atom_utf8", none, <<131, 118, 5:16, "four">>, badarg},
     {"count.small_atom_utf8", none, <<131, 119, 5, "four">>, badarg},
     {"count.binary_inside", none, <<131, 104, 2, 109, 5:32, 97, 1>>, badarg}].

texts() ->
    [{"utf8.continuation_alone", 1, <<131, 119, 1, 16#80>>, badarg},
     {"utf8.cut_short", 1, <<131, 119, 1, 16#c3>>, badarg},
     {"utf8.overlong", 1, <<131, 119, 2, 16#c0, 16#af>>, badarg},
     {"utf8.overlong_nul", 1, <<131, 118, 2:16, 16#c0, 16#80>>, badarg},
     {"utf8.surrogate", 1, <<131, 119, 3, 16#ed, 16#a0, 16#80>>, badarg},
     {"utf8.above_unicode", 1, <<131, 118, 4:16, 16#f4, 16#90, 16#80, 16#80>>, badarg},
     {"utf8.five_bytes", 1, <<131, 119, 5, 16#f8, 16#88, 16#80, 16#80, 16#80>>, badarg},
     {"utf8.latin1", 1, <<131, 119, 1, 16#e9>>, badarg},
     {"utf8.inside", 3, <<131, 104, 1, 119, 1, 16#ff>>, badarg},
     {"sign.2", 1, <<131, 110, 1, 2, 7>>, any},
     {"sign.255", 1, <<131, 111, 1:32, 255, 7>>, any}].

%% Each tag's head and body cut at its last byte, and one call cut at every byte.
truncated() ->
    Whole = [{"integer", <<97, 1>>}, {"integer_of_4", <<98, 256:32>>}, {"bignum", <<110, 1, 0, 7>>},
             {"large_bignum", <<111, 1:32, 0, 7>>}, {"float", <<70, 1.5/float>>}, {"string", <<107, 2:16, 1, 2>>},
             {"binary", <<109, 2:32, 1, 2>>}, {"tuple", <<104, 1, 106>>}, {"large_tuple", <<105, 1:32, 106>>},
             {"list", <<108, 1:32, 97, 1, 106>>}, {"map", <<116, 1:32, 97, 1, 106>>}],
    [{"truncated." ++ Name, none, [131, binary:part(Bytes, 0, byte_size(Bytes) - 1)], badarg} || {Name, Bytes} <- Whole]
    ++ [{"truncated.head_of_" ++ Name, none, [131, binary:part(Bytes, 0, 1)], badarg} || {Name, Bytes} <- Whole]
    ++ [{"truncated.call_at_" ++ integer_to_list(At), none, binary:part(Call, 0, At), badarg}
        || {_, Text} <- [lists:keyfind("host.recommend", 1, host())],
           Call <- [whole(Text, [{minor_version, 2}])],
           At <- lists:seq(2, byte_size(Call) - 1)].

%% Encoding

encodings(Named) ->
    encodings(Named, plain).

encodings({Name, Text}, How) ->
    Old = whole(Text, [{minor_version, 1}]),
    New = whole(Text, [{minor_version, 2}]),
    Kinds = case Old of New -> [{"v2", New}]; _ -> [{"v1", Old}, {"v2", New}] end,
    [[Name, Kind, hex(framed(How, Bytes)), Text] || {Kind, Bytes} <- Kinds].

framed(plain, Bytes) -> Bytes;
framed(frame, Bytes) -> [<<(byte_size(Bytes)):32>>, Bytes].

made(Name, Bytes, Text) ->
    Whole = iolist_to_binary([131, Bytes]),
    check(Text, value(parse(Text)), Whole),
    [Name, "made", hex(Whole), Text].

%% Releases order the keys of a map differently, and OTP 26 not at all. Here they stand as in the text: what holds a map
%% is put together from the bytes of its parts, and the whole read back.
whole(Text, Options) ->
    Form = parse(Text),
    Term = value(Form),
    Bytes = iolist_to_binary([131, part(Form, Options)]),
    check(Text, Term, Bytes),
    [error({size, Text}) || byte_size(Bytes) =/= byte_size(term_to_binary(Term, Options))],
    Bytes.

check(Text, Term, Bytes) ->
    [error({not_the_same, Text}) || binary_to_term(Bytes) =/= Term].

part({map, _, Pairs}, Options) ->
    [116, <<(length(Pairs)):32>> | [[part(Key, Options), part(Value, Options)] || {_, _, Key, Value} <- Pairs]];
part(Form, Options) ->
    case holds_map(Form) of
        true -> container(Form, Options);
        false -> scalar(value(Form), Options)
    end.

scalar(Term, Options) ->
    <<131, Bytes/binary>> = term_to_binary(Term, Options),
    Bytes.

container({tuple, _, Elements}, Options) when length(Elements) < 256 ->
    [104, length(Elements) | [part(Element, Options) || Element <- Elements]];
container({cons, _, _, _} = List, Options) ->
    Elements = elements(List),
    [108, <<(length(Elements)):32>>, [part(Element, Options) || Element <- Elements], 106].

elements({nil, _}) -> [];
elements({cons, _, Head, Tail}) -> [Head | elements(Tail)].

holds_map({map, _, _}) -> true;
holds_map({tuple, _, Elements}) -> lists:any(fun holds_map/1, Elements);
holds_map({cons, _, Head, Tail}) -> holds_map(Head) orelse holds_map(Tail);
holds_map(_) -> false.

parse(Text) ->
    {ok, Tokens, _} = erl_scan:string(Text ++ "."),
    {ok, [Form]} = erl_parse:parse_exprs(Tokens),
    Form.

value(Form) ->
    {value, Term, _} = erl_eval:expr(Form, []),
    Term.

hex(Bytes) ->
    [io_lib:format("~2.16.0b", [Byte]) || <<Byte>> <= iolist_to_binary(Bytes)].
