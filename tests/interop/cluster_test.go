package main

import (
	"strings"
	"testing"

	pb "go.etcd.io/raft/v3/raftpb"
	"libraft.dev/tests/interop/member"
)

const (
	testRounds = 25
	testSteps  = 20000
)

func members(t *testing.T) [implementations]member.Member {
	t.Helper()
	members, closeAll, err := startMembers("../..")
	must(t, err)
	t.Cleanup(closeAll)
	return members
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestMixedClustersApplyTheSameLog(t *testing.T) {
	rare := newCoverage()
	for _, name := range []string{"3.7", "3.6", "all"} {
		t.Run(name, func(t *testing.T) {
			members, seen := members(t), newCoverage()
			for seed := uint64(1); seed <= testRounds; seed++ {
				if err := run(members, mixes[name], seed, testSteps, seen); err != nil {
					t.Fatal(failure(name, seed, testSteps, err))
				}
			}
			t.Log(seen)
			for extension, count := range seen.extensions {
				rare.extensions[extension] += count
			}
			if missing := seen.missing(mixes[name]); len(missing) > 0 {
				t.Errorf("these rounds prove less than they should; nothing of this happened: %s",
					strings.Join(missing, "; "))
			}
		})
	}
	if missing := rare.missingRare(); len(missing) > 0 {
		t.Errorf("nothing of this happened in any round: %s", strings.Join(missing, "; "))
	}
}

func TestARoundIsRepeatable(t *testing.T) {
	members := members(t)
	var tellings []string
	for range 2 {
		seen := newCoverage()
		must(t, run(members, mixes["all"], 7, 5000, seen))
		tellings = append(tellings, seen.String())
	}
	if tellings[0] != tellings[1] {
		t.Errorf("%s\nis not\n%s", tellings[0], tellings[1])
	}
}

// forgetful is a member whose nodes forget, when they restart, whom they have voted for, and the
// last entry that they don't know to be committed.
type forgetful struct{ member.Member }

func (m forgetful) Call(r *member.Request) *member.Response {
	if r.Op == member.Start {
		state, err := decode(r.X, &pb.HardState{})
		if err != nil {
			return &member.Response{Code: member.Failed, Text: err.Error()}
		}
		last := r.Numbers[member.CompactedIndex] + uint64(len(r.List))
		if last > max(state.GetCommit(), r.Numbers[member.Applied]) && len(r.List) > 0 {
			r.List = r.List[:len(r.List)-1]
		}
		state.Vote = nil
		r.X, _ = deterministic.Marshal(state)
	}
	return m.Member.Call(r)
}

// A test that can't fail proves nothing.
func TestForgetfulNodesAreFoundOut(t *testing.T) {
	members := members(t)
	members[implC] = forgetful{members[implC]}
	for seed := uint64(1); seed <= 10; seed++ {
		if err := run(members, mixes["3.7"], seed, testSteps, newCoverage()); err != nil {
			t.Log(strings.SplitN(err.Error(), "\n", 2)[0])
			return
		}
	}
	t.Error("nobody has noticed")
}

func TestWhatMustNotHappenIsFoundOut(t *testing.T) {
	first := pb.EnsureConfState(&pb.ConfState{Voters: []uint64{1}})
	entry := func(term, index uint64, data string) *pb.Entry {
		return &pb.Entry{Term: new(term), Index: new(index), Data: []byte(data)}
	}
	h := newHistory(first, 1)
	h.proposed["a"] = true
	must(t, h.leads(2, 1))
	must(t, h.leads(2, 1))
	must(t, h.writes([]record{{Entry: entry(2, 2, "a")}}))
	must(t, h.applies(entry(2, 2, "a")))
	must(t, h.applies(entry(2, 2, "a")))
	must(t, h.configures(2, first))
	for what, err := range map[string]error{
		"a second leader":                h.leads(2, 3),
		"two entries of one name":        h.writes([]record{{Entry: entry(2, 2, "b")}}),
		"another entry":                  h.applies(entry(3, 2, "a")),
		"an entry that was not proposed": h.applies(entry(2, 3, "c")),
		"a gap":                          h.applies(entry(2, 4, "a")),
		"another configuration":          h.configures(2, &pb.ConfState{Voters: []uint64{2}}),
	} {
		if err == nil {
			t.Errorf("nobody minds %s", what)
		}
	}

	c := &cluster{history: h, seen: newCoverage()}
	s := &server{id: 1, disk: newDisk(), asked: map[string]read{"r": {1, 2}}}
	if c.answered(s, 1, "r") == nil {
		t.Error("nobody minds a stale read")
	}
	snapshot := &pb.Snapshot{Data: []byte("b"), Metadata: &pb.SnapshotMetadata{
		Index: new(uint64(2)), Term: new(uint64(2)), ConfState: first,
	}}
	if c.save(s, nil, nil, snapshot, true) == nil {
		t.Error("nobody minds a snapshot of another state")
	}
}
