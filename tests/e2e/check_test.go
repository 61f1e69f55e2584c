// The checks on histories by hand, of which it is known whether they are right, and on random ones,
// compared with a search through all orders.

package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// history builds operations on one key out of lines like `put a 1 3` (kind, value, call, return). A `?` at
// the end makes the outcome unknown, a `!` failed. `get -` found nothing.
func history(t *testing.T, lines string) []Op {
	t.Helper()
	var ops []Op
	for _, line := range strings.Split(strings.TrimSpace(lines), "\n") {
		fields := strings.Fields(line)
		op := Op{Client: len(ops), Kind: Kind(fields[0]), Key: "k", Value: fields[1], Outcome: Done}
		if op.Value == "-" {
			op.Value = ""
		}
		op.Found = op.Kind == Get && op.Value != ""
		times := []*int64{&op.Call, &op.Return}
		for i, text := range fields[2:4] {
			for _, digit := range text {
				*times[i] = *times[i]*10 + int64(digit-'0')
			}
		}
		if len(fields) > 4 {
			op.Outcome = map[string]Outcome{"?": Unknown, "!": Failed}[fields[4]]
		}
		ops = append(ops, op)
	}
	return ops
}

func TestHistories(t *testing.T) {
	for _, test := range []struct {
		name, lines string
		good        bool
	}{
		{"a read sees the write before it", "put a 1 2\nget a 3 4", true},
		{"a read beside a write sees it or not", "put a 1 9\nget - 2 3\nget a 4 5", true},
		{"a stale read", "put a 1 2\nput b 3 4\nget a 5 6", false},
		{"a stale read of nothing", "put a 1 2\nget - 3 4", false},
		{"a read that goes back behind another", "put a 1 2\nput b 3 20\nget b 4 5\nget a 6 7", false},
		{"a lost write", "put a 1 2\nput b 3 4\nget a 100 101\nget a 102 103", false},
		{"a value that nobody wrote", "put a 1 2\nget x 3 4", false},
		{"a value from the future", "get a 1 2\nput a 3 4", false},
		{"a deleted key is absent", "put a 1 2\ndelete - 3 4\nget - 5 6", true},
		{"a deleted key comes back", "put a 1 2\ndelete - 3 4\nget a 5 6", false},
		{"a write of unknown outcome was lost", "put a 1 2\nput b 3 4 ?\nget a 5 6", true},
		{"a write of unknown outcome happens late", "put a 1 2\nput b 3 4 ?\nget a 5 6\nget b 7 8", true},
		{"a write of unknown outcome over a later one", "put a 1 2 ?\nput b 3 4\nget b 5 6\nget a 7 8", true},
		{"a write of unknown outcome happens twice", "put a 1 2 ?\nget a 3 4\nput b 5 6\nget b 7 8\nget a 9 9", false},
		{"a write of unknown outcome before it was asked for", "get a 1 2\nput a 3 4 ?", false},
		{"a delete of unknown outcome happens late", "put a 1 2\ndelete - 3 4 ?\nget a 5 6\nget - 7 8", true},
		{"a failed write is not seen", "put a 1 2\nput b 3 4 !\nget a 5 6", true},
		{"a failed write is seen", "put a 1 2\nput b 3 4 !\nget b 5 6", false},
		{"a read without an answer says nothing", "put a 1 2\nget x 3 4 ?", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			judgement := linearizable(history(t, test.lines), time.Minute)
			if good := len(judgement.Violations) == 0; good != test.good || len(judgement.Undecided) > 0 {
				t.Errorf("judged %v", judgement)
			}
		})
	}
}

func TestWhatIsThereAtTheEnd(t *testing.T) {
	for _, test := range []struct {
		name, lines string
		end         register
		good        bool
	}{
		{"the last write", "put a 1 2\nput b 3 4", register{true, "b"}, true},
		{"one before the last", "put a 1 2\nput b 3 4", register{true, "a"}, false},
		{"either of two at the same time", "put a 1 5\nput b 2 4", register{true, "a"}, true},
		{"nothing, though written", "put a 1 2", register{}, false},
		{"nothing, since deleted", "put a 1 2\ndelete - 3 4", register{}, true},
		{"something, though deleted", "put a 1 2\ndelete - 3 4", register{true, "a"}, false},
		{"nothing, since perhaps deleted", "put a 1 2\ndelete - 3 4 ?", register{}, true},
		{"nothing was ever acknowledged", "put a 1 2 ?", register{}, true},
		{"an unknown write from before", "put a 1 2 ?\nput b 3 4", register{true, "a"}, true},
		{"a failed write", "put a 1 2 !", register{true, "a"}, false},
		{"what nobody wrote", "put a 1 2", register{true, "x"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			problems := lost(history(t, test.lines), map[string]register{"k": test.end})
			if (len(problems) == 0) != test.good {
				t.Errorf("judged %v", problems)
			}
		})
	}
	if len(lost(history(t, "put a 1 2"), nil)) == 0 {
		t.Error("a key that was not read is not missed")
	}
}

// orders says whether some order of operations explains them, by trying all. Nothing is left out, and
// one of unknown outcome may also be missing.
func orders(state register, left []Op) bool {
	open := false
	for i, op := range left {
		rest := slices.Delete(slices.Clone(left), i, i+1)
		if op.Outcome == Failed || op.Outcome == Unknown && op.Kind == Get {
			return orders(state, rest)
		}
		open = open || op.Outcome == Done
		first := !slices.ContainsFunc(rest, func(other Op) bool { return other.Outcome == Done && other.Return < op.Call })
		next, fits := state, true
		switch op.Kind {
		case Put:
			next = register{true, op.Value}
		case Delete:
			next = register{}
		case Get:
			fits = state == register{op.Found, op.Value}
		}
		if first && fits && orders(next, rest) {
			return true
		}
	}
	return !open
}

// randomHistory is of one key, short, and right by chance.
func randomHistory(chance *rand.Rand) []Op {
	var ops []Op
	values := []string{"a", "b", "c"}
	written := 0
	for i := range 2 + chance.IntN(6) {
		call := chance.Int64N(12)
		op := Op{Client: i, Key: "k", Call: call, Return: call + chance.Int64N(6), Outcome: Done}
		switch dice := chance.IntN(10); {
		case dice < 4 && written < len(values):
			op.Kind, op.Value = Put, values[written]
			written++
		case dice < 5:
			op.Kind = Delete
		default:
			op.Kind = Get
			if op.Found = chance.IntN(4) > 0; op.Found {
				op.Value = values[chance.IntN(len(values))]
			}
		}
		switch chance.IntN(8) {
		case 0, 1:
			op.Outcome = Unknown
		case 2:
			op.Outcome = Failed
		}
		ops = append(ops, op)
	}
	return ops
}

func TestRandomHistoriesAreJudgedAsByTryingAllOrders(t *testing.T) {
	chance := rand.New(rand.NewPCG(1, 2))
	good := 0
	const rounds = 20000
	for range rounds {
		ops := randomHistory(chance)
		want := orders(register{}, ops)
		if got := len(linearizable(ops, time.Minute).Violations) == 0; got != want {
			t.Fatalf("judged %v, not %v: %+v", got, want, ops)
		}
		if want {
			good++
		}
	}
	if good < rounds/20 || good > rounds*19/20 {
		t.Errorf("%d of %d histories were right: too one-sided to say anything", good, rounds)
	}
}

func TestWhatTheEndProvesPorcupineFindsToo(t *testing.T) {
	chance := rand.New(rand.NewPCG(3, 4))
	found := 0
	for range 20000 {
		ops := randomHistory(chance)
		end := register{chance.IntN(3) > 0, ""}
		if end.found {
			end.value = []string{"a", "b", "c"}[chance.IntN(3)]
		}
		if impossible(ops, end) == "" {
			continue
		}
		found++
		read := Op{Kind: Get, Key: "k", Found: end.found, Value: end.value, Outcome: Done, Call: 100, Return: 101}
		if orders(register{}, append(slices.Clone(ops), read)) {
			t.Fatalf("%v is said to be impossible after %+v", end, ops)
		}
	}
	if found == 0 {
		t.Error("nothing was ever impossible")
	}
}

func TestStateHashIsThatOfTheSpecification(t *testing.T) {
	for _, test := range []struct {
		pairs map[string]register
		want  string
	}{
		{nil, "0000000000000000"},
		{map[string]register{"gone": {}}, "0000000000000000"},
		{map[string]register{"a": {true, "1"}}, "39fa52aada797b86"},
		{map[string]register{"a": {true, "1"}, "b": {true, ""}}, "176589442ecd3aca"},
		{map[string]register{
			"a": {true, "1"}, "b": {true, ""}, "\x00\xff\x2f": {true, strings.Repeat("x", 200)},
		}, "bac18c9f69aec994"},
	} {
		if got := stateHash(test.pairs); got != test.want {
			t.Errorf("%v: %s, not %s", test.pairs, got, test.want)
		}
	}
}

func TestAViolationIsKeptAndDrawn(t *testing.T) {
	ops := history(t, "put a 1 2\nput b 3 4\nget a 5 6")
	directory := t.TempDir()
	v := &Verdict{}
	keep(v, directory, ops, linearizable(ops, time.Minute), nil)
	page, err := os.ReadFile(filepath.Join(directory, "k.html"))
	if err != nil || !strings.Contains(string(page), "put b") {
		t.Errorf("%v, %d bytes", err, len(page))
	}
	again, err := readHistory(filepath.Join(directory, "history.jsonl"))
	if err != nil || !slices.Equal(again, ops) {
		t.Errorf("%v: %v", err, again)
	}
	if code := checkFile(filepath.Join(directory, "history.jsonl")); code != 1 {
		t.Errorf("a kept violation gives exit code %d", code)
	}
}

func TestGapsAndServedMachines(t *testing.T) {
	h := newHistory()
	for _, at := range []int64{10, 20, 90, 100} {
		h.Add(Op{Machine: int(at), Outcome: Done, Call: at - 5, Return: at})
	}
	h.Add(Op{Machine: 7, Outcome: Unknown, Call: 50, Return: 60})
	for _, test := range []struct{ begin, end, want int64 }{{0, 100, 70}, {0, 200, 100}, {15, 30, 10}, {100, 150, 50}} {
		if got := h.LongestGap(test.begin, test.end); int64(got) != test.want {
			t.Errorf("between %d and %d: %d, not %d", test.begin, test.end, got, test.want)
		}
	}
	if served := h.ServedSince(85); len(served) != 2 || !served[90] || !served[100] {
		t.Errorf("served since 85: %v", served)
	}
	if served := h.ServedSince(86); len(served) != 1 || !served[100] {
		t.Errorf("served since 86: %v", served)
	}
}
