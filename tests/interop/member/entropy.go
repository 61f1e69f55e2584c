// A source of random numbers that can be repeated, for a library that takes its own from
// crypto/rand.

package member

import (
	"crypto/rand"
	"encoding/binary"
	random "math/rand/v2"
)

// SeedEntropy makes crypto/rand.Reader a pseudo-random sequence. The libraries under test draw
// their election timeouts from there.
func SeedEntropy(seed uint64) {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	rand.Reader = random.NewChaCha8(key)
}
