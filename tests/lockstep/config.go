// The settings of a cluster: who its first members are, and how each of its nodes is configured.

package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	upstream "go.etcd.io/raft/v3"
	ours "libraft.dev/go/raft"
)

// clusterConfig is what a script says before its inputs.
type clusterConfig struct {
	// Chooses the election timeouts.
	seed uint64
	// The first members. Those who begin with a snapshot of index and term; with index 0, they
	// begin with Bootstrap, and there are no learners.
	voters, learners []uint64
	index, term      uint64
	// All machines, by id from 1 on. Those that are no first members begin with an empty disk.
	nodes []nodeConfig
}

// nodeConfig is the settings of one node. The names are those of the Config of both libraries.
type nodeConfig struct {
	electionTick, heartbeatTick                     uint64
	maxSizePerMsg, maxCommittedSize, maxUncommitted uint64
	maxInflightMsgs, maxInflightBytes               uint64
	checkQuorum, preVote, leaseBased, noForwarding  bool
	noValidation, stepDownOnRemoval, asyncWrites    bool
	// Only ours has it. It decides what has to be read back from the storage.
	maxCachedBytes uint64

	// Ours gets another setting than theirs. For the test that differences are found.
	sabotaged bool
}

// setting is one setting by its name in a script: a number or a flag.
type setting struct {
	name   string
	number *uint64
	flag   *bool
}

func (n *nodeConfig) settings() []setting {
	return []setting{
		{name: "election-tick", number: &n.electionTick},
		{name: "heartbeat-tick", number: &n.heartbeatTick},
		{name: "max-size", number: &n.maxSizePerMsg},
		{name: "max-committed-size", number: &n.maxCommittedSize},
		{name: "max-uncommitted", number: &n.maxUncommitted},
		{name: "max-inflight", number: &n.maxInflightMsgs},
		{name: "max-inflight-bytes", number: &n.maxInflightBytes},
		{name: "max-cached", number: &n.maxCachedBytes},
		{name: "check-quorum", flag: &n.checkQuorum},
		{name: "pre-vote", flag: &n.preVote},
		{name: "lease-based", flag: &n.leaseBased},
		{name: "no-forwarding", flag: &n.noForwarding},
		{name: "no-validation", flag: &n.noValidation},
		{name: "step-down", flag: &n.stepDownOnRemoval},
		{name: "async", flag: &n.asyncWrites},
	}
}

// defaults is what a script that names no settings gets.
func defaults() nodeConfig {
	return nodeConfig{
		electionTick: 10, heartbeatTick: 1, maxSizePerMsg: math.MaxUint64, maxInflightMsgs: 256,
	}
}

func (n *nodeConfig) String() string {
	usual := defaults()
	standard := usual.settings()
	var words []string
	for i, s := range n.settings() {
		switch {
		case s.flag != nil && *s.flag:
			words = append(words, s.name)
		case s.number != nil && *s.number == math.MaxUint64 && *standard[i].number != math.MaxUint64:
			words = append(words, s.name+"=max")
		case s.number != nil && *s.number != *standard[i].number:
			words = append(words, fmt.Sprintf("%s=%d", s.name, *s.number))
		}
	}
	return strings.Join(words, " ")
}

func (n *nodeConfig) parse(words []string) error {
next:
	for _, word := range words {
		name, value, isNumber := strings.Cut(word, "=")
		for _, s := range n.settings() {
			if s.name != name || isNumber != (s.number != nil) {
				continue
			}
			if s.flag != nil {
				*s.flag = true
				continue next
			}
			*s.number = math.MaxUint64
			if value != "max" {
				number, err := strconv.ParseUint(value, 10, 64)
				if err != nil {
					return err
				}
				*s.number = number
			}
			continue next
		}
		return fmt.Errorf("no such setting: %s", word)
	}
	return nil
}

// lines are the settings as a script has them.
func (c *clusterConfig) lines() []string {
	list := func(ids []uint64) string {
		return strings.Trim(strings.ReplaceAll(fmt.Sprint(ids), " ", ","), "[]")
	}
	lines := []string{fmt.Sprintf("seed %d", c.seed)}
	if c.index == 0 {
		lines = append(lines, "bootstrap "+list(c.voters))
	} else {
		line := fmt.Sprintf("snapshot-at %d %d %s", c.index, c.term, list(c.voters))
		if len(c.learners) > 0 {
			line += " " + list(c.learners)
		}
		lines = append(lines, line)
	}
	for i := range c.nodes {
		line := fmt.Sprintf("node %d %s", i+1, &c.nodes[i])
		lines = append(lines, strings.TrimSpace(line))
	}
	return lines
}

// parse takes one line, if it is one of settings.
func (c *clusterConfig) parse(line string) (bool, error) {
	words := strings.Fields(line)
	var err error
	number := func(word string) (n uint64) {
		if err == nil {
			n, err = strconv.ParseUint(word, 10, 64)
		}
		return n
	}
	list := func(words []string) (ids []uint64) {
		if len(words) > 0 {
			for _, word := range strings.Split(words[0], ",") {
				ids = append(ids, number(word))
			}
		}
		return ids
	}
	switch {
	case words[0] == "seed" && len(words) == 2:
		c.seed = number(words[1])
	case words[0] == "bootstrap" && len(words) == 2:
		c.voters = list(words[1:])
	case words[0] == "snapshot-at" && len(words) >= 4:
		c.index, c.term = number(words[1]), number(words[2])
		c.voters, c.learners = list(words[3:4]), list(words[4:])
	case words[0] == "node" && len(words) >= 2:
		if id := number(words[1]); err == nil && id != uint64(len(c.nodes)+1) {
			return true, fmt.Errorf("expected node %d, got %d", len(c.nodes)+1, id)
		}
		node := defaults()
		if err == nil {
			err = node.parse(words[2:])
		}
		c.nodes = append(c.nodes, node)
	default:
		return false, nil
	}
	return true, err
}

// check says if these can't be the settings of a cluster.
func (c *clusterConfig) check() error {
	if len(c.nodes) == 0 || len(c.voters) == 0 {
		return fmt.Errorf("a script begins with the first members and a line for each node")
	}
	for _, id := range append(append([]uint64(nil), c.voters...), c.learners...) {
		if id == 0 || id > uint64(len(c.nodes)) {
			return fmt.Errorf("there is no node %d", id)
		}
	}
	return nil
}

func (n *nodeConfig) upstream(id uint64, s *store, applied uint64) *upstream.Config {
	config := &upstream.Config{
		ID:                          id,
		ElectionTick:                int(n.electionTick),
		HeartbeatTick:               int(n.heartbeatTick),
		Storage:                     theirStorage{s},
		Applied:                     applied,
		AsyncStorageWrites:          n.asyncWrites,
		MaxSizePerMsg:               n.maxSizePerMsg,
		MaxCommittedSizePerReady:    n.maxCommittedSize,
		MaxUncommittedEntriesSize:   n.maxUncommitted,
		MaxInflightMsgs:             int(n.maxInflightMsgs),
		MaxInflightBytes:            n.maxInflightBytes,
		CheckQuorum:                 n.checkQuorum,
		PreVote:                     n.preVote,
		Logger:                      quiet{},
		DisableProposalForwarding:   n.noForwarding,
		DisableConfChangeValidation: n.noValidation,
		StepDownOnRemoval:           n.stepDownOnRemoval,
	}
	if n.leaseBased {
		config.ReadOnlyOption = upstream.ReadOnlyLeaseBased
	}
	return config
}

func (n *nodeConfig) ours(id uint64, s *store, applied uint64) *ours.Config {
	config := &ours.Config{
		ID:                          id,
		ElectionTick:                int(n.electionTick),
		HeartbeatTick:               int(n.heartbeatTick),
		Storage:                     ourStorage{s},
		Applied:                     applied,
		AsyncStorageWrites:          n.asyncWrites,
		MaxSizePerMsg:               n.maxSizePerMsg,
		MaxCommittedSizePerReady:    n.maxCommittedSize,
		MaxUncommittedEntriesSize:   n.maxUncommitted,
		MaxInflightMsgs:             int(n.maxInflightMsgs),
		MaxInflightBytes:            n.maxInflightBytes,
		CheckQuorum:                 n.checkQuorum,
		PreVote:                     n.preVote != n.sabotaged,
		Logger:                      quiet{},
		DisableProposalForwarding:   n.noForwarding,
		DisableConfChangeValidation: n.noValidation,
		StepDownOnRemoval:           n.stepDownOnRemoval,
		// As upstream does it.
		EagerAppends:   true,
		MaxCachedBytes: n.maxCachedBytes,
		Seed:           1,
	}
	if n.leaseBased {
		config.ReadOnlyOption = ours.ReadOnlyLeaseBased
	}
	return config
}
