// The state machine: keys and values, and where the members are.

package main

import (
	"encoding/json"
	"sync"
)

// Command is what an entry says.
type Command struct {
	// Who waits for it, and at which node.
	Node, Number uint64
	Key, Value   string
}

// Store is what all nodes have in common.
type Store struct {
	mutex sync.RWMutex
	state state
}

type state struct {
	Keys  map[string]string
	Peers map[uint64]string
}

func NewStore() *Store {
	return &Store{state: state{Keys: map[string]string{}, Peers: map[uint64]string{}}}
}

func (s *Store) Get(key string) (string, bool) {
	s.mutex.RLock()
	defer s.mutex.RUnlock()
	value, ok := s.state.Keys[key]
	return value, ok
}

func (s *Store) Set(key, value string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.state.Keys[key] = value
}

// SetPeer notes where a member is; "" that it has gone.
func (s *Store) SetPeer(id uint64, url string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if url == "" {
		delete(s.state.Peers, id)
		return
	}
	s.state.Peers[id] = url
}

func (s *Store) Peer(id uint64) string {
	s.mutex.RLock()
	defer s.mutex.RUnlock()
	return s.state.Peers[id]
}

// Snapshot writes down everything.
func (s *Store) Snapshot() ([]byte, error) {
	s.mutex.RLock()
	defer s.mutex.RUnlock()
	return json.Marshal(s.state)
}

// Restore puts what was written down in place of everything.
func (s *Store) Restore(data []byte) error {
	restored := NewStore().state
	if err := json.Unmarshal(data, &restored); err != nil {
		return err
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.state = restored
	return nil
}
