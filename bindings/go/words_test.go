// Status, counters and events in words, against the values that say the same.

package raft

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// object parses JSON, numbers as they are.
func object(t *testing.T, encoded []byte) map[string]any {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(encoded))
	decoder.UseNumber()
	var fields map[string]any
	if err := decoder.Decode(&fields); err != nil {
		t.Fatalf("%v: %s", err, encoded)
	}
	return fields
}

func number(t *testing.T, value any) uint64 {
	t.Helper()
	var n uint64
	given, ok := value.(json.Number)
	if !ok || json.Unmarshal([]byte(given), &n) != nil {
		t.Fatalf("%v is no number", value)
	}
	return n
}

func elected(t *testing.T) map[uint64]*RawNode {
	t.Helper()
	nodes, work := reporting(t)
	if err := nodes[1].Campaign(); err != nil {
		t.Fatal(err)
	}
	work()
	return nodes
}

func TestStatusJSONSaysWhatStatusDoes(t *testing.T) {
	nodes := elected(t)
	for id, rn := range nodes {
		encoded, err := rn.StatusJSON()
		if err != nil {
			t.Fatal(err)
		}
		fields := object(t, encoded)
		status := rn.Status()
		for name, want := range map[string]uint64{
			"id": id, "term": status.GetTerm(), "vote": status.GetVote(), "commit": status.GetCommit(),
			"applied": status.Applied, "leader": status.Lead, "lead_transferee": status.LeadTransferee,
		} {
			if got := number(t, fields[name]); got != want {
				t.Errorf("%s is %d and should be %d", name, got, want)
			}
		}
		role := map[StateType]string{StateLeader: "leader", StateFollower: "follower"}[status.RaftState]
		if fields["role"] != role {
			t.Errorf("the role is %v and should be %s", fields["role"], role)
		}
		peers := fields["progress"].([]any)
		if len(peers) != len(status.Progress) {
			t.Errorf("there are %d peers and should be %d", len(peers), len(status.Progress))
		}
		for _, peer := range peers {
			peer := peer.(map[string]any)
			progress := status.Progress[number(t, peer["id"])]
			if number(t, peer["match_index"]) != progress.Match || number(t, peer["next_index"]) != progress.Next {
				t.Errorf("%v should be %v", peer, progress)
			}
		}
	}
}

// The tags, the library's names, and the values are those of the struct, in its order.
func TestMetricsJSONSaysWhatMetricsDoes(t *testing.T) {
	rn := elected(t)[1]
	theirs, err := rn.MetricsJSON()
	if err != nil {
		t.Fatal(err)
	}
	metrics := rn.Metrics()
	if metrics.ElectionsWon != 1 {
		t.Fatalf("the counters are %+v", metrics)
	}
	ours, err := json.Marshal(metrics)
	if err != nil {
		t.Fatal(err)
	}
	if string(ours) != string(theirs) {
		t.Errorf("the library has\n%s\nand the struct\n%s", theirs, ours)
	}
	if fields := reflect.TypeOf(metrics).NumField(); fields != len(object(t, theirs)) {
		t.Errorf("the struct has %d fields, and the library %d", fields, len(object(t, theirs)))
	}
}

var lost = Event{
	Type: EventElectionLost, Kind: 2, Reason: 1, Term: 4, From: 1, To: 2,
}

func TestEventsInWords(t *testing.T) {
	const line = "election_lost kind=election reason=outvoted by=0 term=4 granted=1 refused=2"
	if text := lost.String(); text != line {
		t.Errorf("it is %q", text)
	}
	encoded, err := json.Marshal(lost)
	want := `{"type":"election_lost","kind":"election","reason":"outvoted","by":0,"term":4,"granted":1,"refused":2}`
	if err != nil || string(encoded) != want {
		t.Errorf("it is %s, %v", encoded, err)
	}
	if lost.Level() != slog.LevelInfo || (Event{Type: EventRemoved}).Level() != slog.LevelWarn {
		t.Error("the levels are wrong")
	}
	if _, err := json.Marshal(Event{Type: 99}); !errors.Is(err, &Error{Code: CodeArgument}) {
		t.Errorf("what is no event has a JSON: %v", err)
	}
	if text := (Event{Type: 99, Term: 7}).String(); !strings.Contains(text, "term=7") {
		t.Errorf("what is no event is %q", text)
	}
}

func TestEventsAndTextsGoToSlog(t *testing.T) {
	var out bytes.Buffer
	options := &slog.HandlerOptions{Level: slog.LevelInfo, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}
	logger := slog.New(slog.NewTextHandler(&out, options)).With("node", 9)
	ignored := Event{Type: EventSnapshotIgnored, Reason: 1}
	LogEvents(context.Background(), logger, lost, ignored, Event{Type: EventRemoved, Node: 2, Index: 1 << 60})
	want := `level=INFO msg="` + lost.String() + `" node=9 event=election_lost kind=election reason=outvoted by=0 ` +
		"term=4 granted=1 refused=2\n" +
		`level=WARN msg="removed by=2 as_of=1152921504606846976" node=9 event=removed by=2 as_of=1152921504606846976` + "\n"
	if out.String() != want {
		t.Errorf("the log is\n%s\nand should be\n%s", out.String(), want)
	}

	out.Reset()
	options.AddSource = true
	texts := SlogLogger(slog.New(slog.NewTextHandler(&out, options)))
	texts.Debugf("%d", 1)
	texts.Infof("%d of %d", 1, 2)
	texts.Warning("a", "b")
	texts.Error("c")
	func() {
		defer func() {
			if recover() != "it is over" {
				t.Error("Panicf has not panicked with its text")
			}
		}()
		texts.Panicf("it is %s", "over")
	}()
	var got []string
	for line := range strings.Lines(out.String()) {
		if !strings.Contains(line, "words_test.go:") {
			t.Errorf("this names another place: %s", line)
		}
		level, rest, _ := strings.Cut(line, " ")
		_, message, _ := strings.Cut(rest, " msg=")
		got = append(got, level+" "+strings.TrimSpace(message))
	}
	if want := []string{`level=INFO "1 of 2"`, "level=WARN ab", "level=ERROR c", `level=ERROR "it is over"`}; !slices.Equal(got, want) {
		t.Errorf("the log is %q", got)
	}
}

func TestAnExpositionHasTheCountersOfAllNodes(t *testing.T) {
	nodes := elected(t)
	e := NewExposition()
	for _, id := range slices.Sorted(maps.Keys(nodes)) {
		if err := e.Add(nodes[id], map[string]string{"zone": "b", "group": "a \"quoted\"\n"}); err != nil {
			t.Fatal(err)
		}
	}
	var out strings.Builder
	if n, err := e.WriteTo(&out); err != nil || n != int64(out.Len()) {
		t.Fatal(n, err)
	}
	text := out.String()
	if strings.Count(text, "# TYPE libraft_elections_won_total counter\n") != 1 {
		t.Error("the type is not there once")
	}
	if !strings.Contains(text, `libraft_elections_won_total{node="1",group="a \"quoted\"\n",zone="b"} 1`+"\n") {
		t.Errorf("the counter is not there:\n%s", text)
	}
	for _, labels := range []map[string]string{
		{"zone": "b", "group": "a \"quoted\"\n"}, {"node": "7"}, {"1": "x"}, {"x": "\xff"},
	} {
		if err := e.Add(nodes[1], labels); !errors.Is(err, &Error{Code: CodeArgument}) {
			t.Errorf("with %v it is %v", labels, err)
		}
	}
	if err := nodes[1].Err(); err != nil {
		t.Error(err)
	}
	out.Reset()
	if err := WritePrometheus(&out, nodes[1], nodes[2]); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), `libraft_is_leader{node="1"} 1`+"\n") {
		t.Errorf("the leader is not there:\n%s", out.String())
	}
	if err := WritePrometheus(&out, nodes[1], nodes[1]); err == nil {
		t.Error("a node is there twice")
	}
}

func TestANodeOfChannelsIsExposed(t *testing.T) {
	storage := NewMemoryStorage()
	config := baseConfig(1)
	config.Storage = storage
	n := StartNode(&config, []Peer{{ID: 1}})
	e := NewExposition()
	if err := e.AddNode(context.Background(), n, nil); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if _, err := e.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), `libraft_term{node="1"} 1`+"\n") {
		t.Errorf("the term is not there:\n%s", out.String())
	}
	if err := e.AddNode(context.Background(), nil, nil); err == nil || !strings.Contains(err.Error(), "StartNode") {
		t.Errorf("nil is %v", err)
	}
	n.Stop()
	if err := e.AddNode(context.Background(), n, nil); !errors.Is(err, ErrStopped) {
		t.Errorf("a stopped node is %v", err)
	}
}
