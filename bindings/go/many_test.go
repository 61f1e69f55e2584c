// Time for many nodes at once, and for nodes that are left alone.

package raft

import (
	"errors"
	"io"
	"log"
	"reflect"
	"slices"
	"testing"
)

// lonely is followers of groups of three that hear from nobody, on a storage in Go or the library's.
func lonely(t *testing.T, count uint64, durable bool) []*RawNode {
	t.Helper()
	nodes := []*RawNode{}
	for seed := uint64(1); seed <= count; seed++ {
		config := baseConfig(1)
		config.Seed = seed
		if durable {
			storage, err := OpenDurableStorage(t.TempDir())
			must(t, err)
			t.Cleanup(func() { _ = storage.Close() })
			must(t, storage.Bootstrap(firstSnapshot(1, 2, 3)))
			config.Storage = storage
		} else {
			storage := NewMemoryStorage()
			must(t, storage.ApplySnapshot(firstSnapshot(1, 2, 3)))
			config.Storage = storage
		}
		node, err := NewRawNode(&config)
		must(t, err)
		t.Cleanup(func() { _ = node.Close() })
		for node.HasReady() {
			rd := node.Ready()
			node.Advance(rd)
		}
		nodes = append(nodes, node)
	}
	return nodes
}

func states(nodes []*RawNode) []Status {
	list := []Status{}
	for _, node := range nodes {
		list = append(list, node.Status())
	}
	return list
}

func TestTickAllIsTickingEachNode(t *testing.T) {
	for _, durable := range []bool{false, true} {
		count := uint64(30)
		if durable {
			count = 3
		}
		single, together := lonely(t, count, durable), lonely(t, count, durable)
		for _, ticks := range []uint32{1, 9, 0, 5, 1, 40} {
			var want []int
			for i, node := range single {
				for range ticks {
					node.Tick()
				}
				if node.HasReady() {
					want = append(want, i)
				}
			}
			ready, failed := TickAll(together, ticks)
			if !slices.Equal(ready, want) || len(failed) != 0 {
				t.Fatalf("%v are ready, %v failed, after %d ticks; want %v", ready, failed, ticks, want)
			}
			if one, other := states(single), states(together); !reflect.DeepEqual(one, other) {
				t.Fatalf("after %d ticks\n%v\nwant\n%v", ticks, other, one)
			}
		}
	}
}

func TestNothingHappensBeforeTheDeadline(t *testing.T) {
	for _, node := range lonely(t, 10, false) {
		deadline, ok := node.NextDeadline()
		if !ok || deadline < 10 || deadline > 20 {
			t.Fatal(deadline, ok)
		}
		node.TickMany(uint32(deadline) - 1)
		if node.HasReady() {
			t.Fatal("before its deadline")
		}
		if left, ok := node.NextDeadline(); !ok || left != 1 {
			t.Fatal(left, ok)
		}
		node.TickMany(1)
		if !node.HasReady() {
			t.Fatal("nothing at its deadline")
		}
	}
	config := baseConfig(1)
	config.Storage = NewMemoryStorage()
	stranger, err := NewRawNode(&config)
	must(t, err)
	if ticks, ok := stranger.NextDeadline(); ok {
		t.Fatal("a node that knows no members has a deadline: ", ticks)
	}
	must(t, stranger.Close())
	if _, ok := stranger.NextDeadline(); ok {
		t.Fatal("a closed node has a deadline")
	}
}

func TestTickAllPassesOverNodesThatHaveStopped(t *testing.T) {
	SetLogger(&DefaultLogger{Logger: log.New(io.Discard, "", 0)})
	defer ResetDefaultLogger()
	nodes := lonely(t, 5, false)
	must(t, nodes[1].Close())
	broken := errors.New("the disk is gone")
	_ = nodes[3].stop("told to", broken)
	nodes[4].storage = failingStorage{nodes[4].storage, broken}
	list := append(slices.Clone(nodes), nil)
	ready, failed := TickAll(list, 20)
	if !slices.Equal(ready, []int{0, 2}) || len(failed) != 4 {
		t.Fatal(ready, failed)
	}
	for i, want := range []struct {
		index int
		err   error
	}{{1, ErrClosed}, {3, broken}, {4, broken}, {5, ErrClosed}} {
		if failed[i].Index != want.index || !errors.Is(failed[i].Err, want.err) {
			t.Fatalf("%v, want %v", failed[i], want)
		}
	}
	if ready, failed := TickAll(nil, 1); ready != nil || failed != nil {
		t.Fatal(ready, failed)
	}
	if ready, _ := TickAll([]*RawNode{nodes[0], nodes[2], nodes[0]}, 0); !slices.Equal(ready, []int{0, 1, 2}) {
		t.Fatal(ready)
	}
}

// failingStorage can't tell its first index.
type failingStorage struct {
	Storage
	err error
}

func (s failingStorage) FirstIndex() (uint64, error) { return 0, s.err }

func TestATickOfAllAllocatesNothingInGo(t *testing.T) {
	nodes := lonely(t, 100, false)
	TickAll(nodes, 1)
	if per := testing.AllocsPerRun(4, func() { TickAll(nodes, 1) }); per != 0 {
		t.Fatalf("%v allocations", per)
	}
}
