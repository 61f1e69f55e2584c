package raft

import (
	"testing"

	upstream "go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
)

// One proposal of 256 bytes through a group of one, with a storage in memory: what a call, a Ready
// and an Advance cost, here and in go.etcd.io/raft.
func BenchmarkProposal(b *testing.B) {
	payload := make([]byte, 256)
	for _, batch := range []int{1, 64} {
		name := map[int]string{1: "one", 64: "batch of 64"}[batch]
		b.Run(name+"/libraft", func(b *testing.B) {
			s := NewMemoryStorage()
			if err := s.ApplySnapshot(firstSnapshot(1)); err != nil {
				b.Fatal(err)
			}
			config := baseConfig(1)
			config.Storage = s
			node, err := NewRawNode(&config)
			if err != nil {
				b.Fatal(err)
			}
			defer node.Close()
			applied := uint64(0)
			turn := func() {
				for node.HasReady() {
					rd := node.Ready()
					_ = memoryStore{s}.save(rd)
					if n := len(rd.CommittedEntries); n > 0 {
						applied = rd.CommittedEntries[n-1].GetIndex()
					}
					node.Advance(rd)
				}
			}
			_ = node.Campaign()
			turn()
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				for range batch {
					_ = node.Propose(payload)
				}
				turn()
				if i%1000 == 999 {
					_ = s.Compact(applied - 1)
				}
			}
		})
		b.Run(name+"/upstream", func(b *testing.B) {
			s := upstream.NewMemoryStorage()
			_ = s.ApplySnapshot(firstSnapshot(1))
			_ = s.SetHardState(&pb.HardState{Term: new(uint64(1)), Commit: new(uint64(1))})
			node, err := upstream.NewRawNode(&upstream.Config{
				ID: 1, ElectionTick: 10, HeartbeatTick: 1, Storage: s, MaxSizePerMsg: 1 << 20,
				MaxInflightMsgs: 256, Logger: &upstream.DefaultLogger{Logger: discard},
			})
			if err != nil {
				b.Fatal(err)
			}
			applied := uint64(0)
			turn := func() {
				for node.HasReady() {
					rd := node.Ready()
					_ = s.Append(rd.Entries)
					if n := len(rd.CommittedEntries); n > 0 {
						applied = rd.CommittedEntries[n-1].GetIndex()
					}
					node.Advance(rd)
				}
			}
			_ = node.Campaign()
			turn()
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				for range batch {
					_ = node.Propose(payload)
				}
				turn()
				if i%1000 == 999 {
					_ = s.Compact(applied - 1)
				}
			}
		})
	}
}

// A tick of a follower, of ten thousand: a call for each and one that asks for its Ready, or one for all.
func BenchmarkTick10k(b *testing.B) {
	nodes := make([]*RawNode, 10_000)
	for i := range nodes {
		s := NewMemoryStorage()
		if err := s.ApplySnapshot(firstSnapshot(1, 2, 3)); err != nil {
			b.Fatal(err)
		}
		config := baseConfig(1)
		config.Storage, config.ElectionTick = s, 1<<30
		config.Seed = uint64(i)
		node, err := NewRawNode(&config)
		if err != nil {
			b.Fatal(err)
		}
		defer node.Close()
		nodes[i] = node
	}
	perNode := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(nodes)), "ns/node")
	}
	b.Run("each", func(b *testing.B) {
		for b.Loop() {
			for _, node := range nodes {
				node.Tick()
				if node.HasReady() {
					b.Fatal("it has nothing to do")
				}
			}
		}
		perNode(b)
	})
	b.Run("all", func(b *testing.B) {
		for b.Loop() {
			if ready, failed := TickAll(nodes, 1); ready != nil || failed != nil {
				b.Fatal("they have nothing to do")
			}
		}
		perNode(b)
	})
}
