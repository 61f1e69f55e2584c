// Where the two differ on purpose, each as narrow as it can be told. exceptions_test.go has a
// test for each that shows the difference, and README.md the reasons.

package main

import (
	"strings"

	upstream "go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
)

// The names that the counts are printed under.
const (
	// A read at a leader while one voter is left in the configuration. Upstream answers it at
	// once, were it without a commit in its term, or were that voter another node.
	readOfSingleVoter = "read-of-single-voter"
	// The configuration shrinks to one voter while reads wait for heartbeats. Ours answers them.
	readsWhenShrunk = "reads-when-shrunk"
	// A leader steps down while reads wait for the first commit of its term. Ours reports them as
	// dropped. Upstream keeps them until the node leads again, should it ever; they are taken from
	// it, to go on from there.
	postponedReads = "postponed-reads"
	// A change was handed out, and a snapshot has replaced the log before it was applied. It is
	// included in the snapshot; upstream would apply it once more.
	changeBehindSnapshot = "change-behind-snapshot"
	// A change was proposed and dropped, since too much is uncommitted. Upstream counts it as
	// pending from then on, as if it were in the log. This is taken back, to go on from there.
	droppedChange = "dropped-change"
)

// Two more have no count, since they are there all the time:
//
//   - statusAutoLeave: upstream's Status().Config never has AutoLeave set, because it gets lost in
//     a copy. What upstream really goes by is compared instead.
//   - zeroCommittedSize: with MaxSizePerMsg and MaxCommittedSizePerReady both 0, upstream panics
//     when there is something to apply. Such settings are not drawn.

// withholds names the reason not to give a message to either node; empty if there is none.
func (m *member) withholds(message *pb.Message) string {
	if message.GetType() == pb.MsgReadIndex && m.readsAlone() {
		return readOfSingleVoter
	}
	return ""
}

// readsAlone says whether a read now is a read-of-single-voter.
func (m *member) readsAlone() bool {
	if m.status.RaftState != upstream.StateLeader || !m.inside.tracker.IsSingleton() {
		return false
	}
	_, votes := m.inside.tracker.Voters[0][m.id]
	return !votes || !m.inside.hasCommittedInTerm()
}

// readsAfterChange names the reason for which reads may have been answered by ours alone when a
// change was applied; empty if there is none. Both nodes are started anew then.
func (m *member) readsAfterChange(unconfirmed int) string {
	if m.status.RaftState == upstream.StateLeader && unconfirmed > 0 && m.inside.tracker.IsSingleton() {
		return readsWhenShrunk
	}
	return ""
}

// dropPostponedReads takes from upstream what a leader that has stepped down still keeps.
func (m *member) dropPostponedReads() {
	if m.status.RaftState != upstream.StateLeader && len(*m.inside.postponedReads) > 0 {
		m.run.excused[postponedReads]++
		*m.inside.postponedReads = nil
	}
}

// knownPanic names the input behind a panic of upstream that a host can bring about; empty for
// all others, which are differences.
func knownPanic(text string) string {
	for _, known := range []struct{ part, name string }{
		{"stepped empty MsgProp", "a proposal without entries"},
		{"Was the raft log corrupted, truncated, or lost?", "a commit index beyond the log"},
		{"proto:", "a configuration change that can't be decoded"},
	} {
		if strings.Contains(text, known.part) {
			return known.name
		}
	}
	return ""
}
