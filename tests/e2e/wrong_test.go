// The clients and the fronts that lie, in front of a register that is right, without any process.

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// right is a server that is linearizable, for all machines.
func right() Send {
	var mu sync.Mutex
	state := map[string]register{}
	return func(_ context.Context, op Op) Answer {
		mu.Lock()
		defer mu.Unlock()
		switch op.Kind {
		case Put:
			state[op.Key] = register{true, op.Value}
		case Delete:
			delete(state, op.Key)
		}
		now := state[op.Key]
		if op.Kind != Get {
			now = register{}
		}
		return Answer{Outcome: Done, Found: now.found, Value: now.value}
	}
}

// flaky never answers some requests, of which it has carried out half.
func flaky(send Send) Send {
	lots := &lot{chance: rand.New(rand.NewPCG(5, 6))}
	return func(ctx context.Context, op Op) Answer {
		switch {
		case lots.one(20):
			return Answer{Outcome: Unknown}
		case lots.one(20):
			send(ctx, op)
			return Answer{Outcome: Unknown}
		}
		return send(ctx, op)
	}
}

// loaded lets clients work on a server until there are so many operations, and gives the keys found wrong.
func loaded(t *testing.T, send Send, operations int) int {
	t.Helper()
	cluster := &Cluster{machines: []*Machine{{Number: 1, member: 1}, {Number: 2, member: 2}, {Number: 3, member: 3}}}
	h := newHistory()
	load := startLoad(cluster, h, send, "", 6, 2, time.Millisecond, 1)
	for len(h.Ops()) < operations {
		time.Sleep(time.Millisecond)
	}
	load.end()
	judgement := linearizable(h.Ops(), time.Minute)
	if len(judgement.Undecided) > 0 {
		t.Errorf("undecided: %v", judgement.Undecided)
	}
	return len(judgement.Violations)
}

func TestNothingIsFoundInWhatIsRight(t *testing.T) {
	if found := loaded(t, right(), 4000); found > 0 {
		t.Errorf("%d keys are found wrong", found)
	}
	if found := loaded(t, flaky(right()), 2000); found > 0 {
		t.Errorf("%d keys are found wrong where answers are missing", found)
	}
}

func TestEachFrontThatLiesIsFoundOut(t *testing.T) {
	for _, w := range wrongs {
		if w.Front == nil {
			continue
		}
		t.Run(w.Name, func(t *testing.T) {
			if found := loaded(t, w.Front(right(), &lot{chance: rand.New(rand.NewPCG(7, 8))}), 4000); found == 0 {
				t.Error("nothing is found wrong")
			}
		})
	}
}

func TestAnswersOfTheServersAreUnderstood(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch strings.TrimPrefix(r.URL.Path, "/kv/") {
		case "there":
			fmt.Fprint(w, "value")
		case "absent":
			w.WriteHeader(http.StatusNotFound)
		case "busy":
			w.WriteHeader(http.StatusServiceUnavailable)
		case "odd":
			w.WriteHeader(http.StatusTeapot)
		case "slow":
			<-r.Context().Done()
		default:
			panic(http.ErrAbortHandler)
		}
	}))
	defer server.Close()
	odd := 0
	send := httpSend(
		func(machine int) string {
			if machine == 2 {
				return "127.0.0.1:1" // where nobody listens
			}
			return strings.TrimPrefix(server.URL, "http://")
		},
		func(string, ...any) { odd++ },
	)
	for _, test := range []struct {
		op   Op
		want Answer
		odd  int
	}{
		{Op{Kind: Get, Key: "there"}, Answer{Outcome: Done, Found: true, Value: "value"}, 0},
		{Op{Kind: Put, Key: "there"}, Answer{Outcome: Done, Value: "value"}, 0},
		{Op{Kind: Get, Key: "absent"}, Answer{Outcome: Done}, 0},
		{Op{Kind: Delete, Key: "absent"}, Answer{Outcome: Unknown}, 1},
		{Op{Kind: Put, Key: "busy"}, Answer{Outcome: Unknown}, 0},
		{Op{Kind: Put, Key: "odd"}, Answer{Outcome: Unknown}, 1},
		{Op{Kind: Put, Key: "slow"}, Answer{Outcome: Unknown}, 0},
		{Op{Kind: Put, Key: "cut off"}, Answer{Outcome: Unknown}, 0},
		{Op{Kind: Put, Key: "there", Machine: 2}, Answer{Outcome: Failed}, 0},
	} {
		odd = 0
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		got := send(ctx, test.op)
		cancel()
		if test.want.Outcome != Done {
			got.Reason = ""
		}
		if got != test.want || odd != test.odd {
			t.Errorf("%+v: %+v, odd %d", test.op, got, odd)
		}
	}
}
