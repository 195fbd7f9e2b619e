// Command reader audits a ledger over HTTP, knowing nothing of the project that serves it.
//
// It fetches <url>/checkpoint, verifies its signature under -vkey, and with golang.org/x/mod's
// tlog and note, which are not ours, proves from tiles alone that
//
//   - the root is the one that was signed,
//   - each of -entries is in the tree, its bytes taken from an entry bundle,
//   - the tree continues that of the older checkpoint in the file -old.
//
// What tlog does not know is done here, from C2SP's words: the body of a checkpoint (its own
// ParseTree wants another first line) and tile paths without a height.
//
// Prints one JSON object and exits 0, or says what is wrong and exits 1; 2 for wrong usage.
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go run reader.go \
//	    -url http://127.0.0.1:8000/ledger/main -vkey 'main+…' -entries 0,17
package main

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	height   = 8
	width    = 1 << height
	maxBytes = 32 << 20
)

var errNotFound = errors.New("404")

// site is the ledger's address and how to ask it.
type site struct {
	url    string
	bearer string
	client *http.Client
}

func (s *site) get(path string) ([]byte, error) {
	request, err := http.NewRequest("GET", s.url+"/"+path, nil)
	if err != nil {
		return nil, err
	}
	if s.bearer != "" {
		request.Header.Set("Authorization", "Bearer "+s.bearer)
	}
	answer, err := s.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusNotFound {
		return nil, fmt.Errorf("%s: %w", path, errNotFound)
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", path, answer.Status)
	}
	return io.ReadAll(io.LimitReader(answer.Body, maxBytes))
}

// c2spPath turns tlog's tile/8/<L>/<N> into tile/<L>/<N>, and its data tiles into entry bundles.
func c2spPath(tile tlog.Tile) string {
	path := strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/", height), "tile/", 1)
	return strings.Replace(path, "tile/data/", "tile/entries/", 1)
}

// getTile fetches a tile or bundle; when a partial one is gone, the full one in its place.
func (s *site) getTile(tile tlog.Tile) (data []byte, full bool, err error) {
	data, err = s.get(c2spPath(tile))
	if tile.W < width && errors.Is(err, errNotFound) {
		tile.W = width
		data, err = s.get(c2spPath(tile))
	}
	return data, tile.W == width, err
}

// Height, ReadTiles and SaveTiles make site a tlog.TileReader.
func (s *site) Height() int { return height }

func (s *site) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	all := make([][]byte, len(tiles))
	for i, tile := range tiles {
		data, full, err := s.getTile(tile)
		if err != nil {
			return nil, err
		}
		want := tile.W * tlog.HashSize
		if len(data) != want && !(full && len(data) == width*tlog.HashSize) {
			return nil, fmt.Errorf("%s: %d bytes, not %d", c2spPath(tile), len(data), want)
		}
		all[i] = data[:want]
	}
	return all, nil
}

func (s *site) SaveTiles([]tlog.Tile, [][]byte) {}

// entry returns the bytes of one entry, out of its bundle.
func (s *site) entry(index, size int64) ([]byte, error) {
	tile := tlog.Tile{H: height, L: -1, N: index / width, W: width}
	if rest := size - tile.N*width; rest < width {
		tile.W = int(rest)
	}
	data, _, err := s.getTile(tile)
	if err != nil {
		return nil, err
	}
	for at := tile.N * width; ; at++ {
		if len(data) < 2 || len(data)-2 < int(binary.BigEndian.Uint16(data)) {
			return nil, fmt.Errorf("%s: cut off before entry %d", c2spPath(tile), index)
		}
		end := 2 + int(binary.BigEndian.Uint16(data))
		if at == index {
			return data[2:end], nil
		}
		data = data[end:]
	}
}

// openCheckpoint verifies a signed checkpoint and takes its body apart.
func openCheckpoint(signed []byte, verifier note.Verifier) (origin string, tree tlog.Tree, err error) {
	opened, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return "", tree, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 {
		return "", tree, errors.New("a checkpoint has three lines")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return "", tree, fmt.Errorf("size %q", lines[1])
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return "", tree, fmt.Errorf("root %q", lines[2])
	}
	tree.N = size
	copy(tree.Hash[:], root)
	return lines[0], tree, nil
}

// result is what reader prints.
type result struct {
	Origin         string           `json:"origin"`
	Size           int64            `json:"size"`
	Root           string           `json:"root"`
	Entries        map[int64]string `json:"entries"`
	ConsistentFrom *int64           `json:"consistent_from"`
}

func audit(s *site, verifier note.Verifier, old string, indexes []int64) (*result, error) {
	signed, err := s.get("checkpoint")
	if err != nil {
		return nil, err
	}
	origin, tree, err := openCheckpoint(signed, verifier)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	// Checks every tile it reads against the signed root.
	hashes := tlog.TileHashReader(tree, s)
	found := &result{Origin: origin, Size: tree.N, Root: tree.Hash.String(), Entries: map[int64]string{}}
	if tree.N > 0 {
		root, err := tlog.TreeHash(tree.N, hashes)
		if err != nil {
			return nil, fmt.Errorf("tiles: %w", err)
		}
		if root != tree.Hash {
			return nil, fmt.Errorf("tiles lead to %v, signed is %v", root, tree.Hash)
		}
	}
	for _, index := range indexes {
		record, err := s.entry(index, tree.N)
		if err != nil {
			return nil, err
		}
		proof, err := tlog.ProveRecord(tree.N, index, hashes)
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", index, err)
		}
		leaf := tlog.RecordHash(record)
		if err := tlog.CheckRecord(proof, tree.N, tree.Hash, index, leaf); err != nil {
			return nil, fmt.Errorf("entry %d is not in the tree: %w", index, err)
		}
		found.Entries[index] = leaf.String()
	}
	if old != "" {
		if found.ConsistentFrom, err = continues(old, origin, tree, hashes, verifier); err != nil {
			return nil, fmt.Errorf("consistency: %w", err)
		}
	}
	return found, nil
}

// continues proves that tree begins with that of the older checkpoint in a file.
func continues(old, origin string, tree tlog.Tree, hashes tlog.HashReader, verifier note.Verifier) (*int64, error) {
	signed, err := os.ReadFile(old)
	if err != nil {
		return nil, err
	}
	oldOrigin, oldTree, err := openCheckpoint(signed, verifier)
	if err != nil {
		return nil, err
	}
	if oldOrigin != origin {
		return nil, fmt.Errorf("%q is not %q", oldOrigin, origin)
	}
	proof, err := tlog.ProveTree(tree.N, oldTree.N, hashes)
	if err != nil {
		return nil, err
	}
	if err := tlog.CheckTree(proof, tree.N, tree.Hash, oldTree.N, oldTree.Hash); err != nil {
		return nil, fmt.Errorf("the tree of size %d does not continue that of size %d: %w", tree.N, oldTree.N, err)
	}
	return &oldTree.N, nil
}

func parseIndexes(list string) ([]int64, error) {
	var indexes []int64
	for _, each := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' }) {
		index, err := strconv.ParseInt(each, 10, 64)
		if err != nil {
			return nil, err
		}
		indexes = append(indexes, index)
	}
	return indexes, nil
}

func fail(code int, err error) {
	fmt.Fprintln(os.Stderr, "reader:", err)
	os.Exit(code)
}

func main() {
	url := flag.String("url", "", "the ledger's `address`, without a slash at its end")
	vkey := flag.String("vkey", "", "its verifier `key`, from elsewhere than the ledger")
	entries := flag.String("entries", "", "`indexes` of entries to prove, with commas")
	old := flag.String("old", "", "`file` with an older signed checkpoint")
	bearer := flag.String("bearer", "", "API `key`, where entry bundles need one")
	flag.Parse()
	verifier, err := note.NewVerifier(*vkey)
	if err != nil {
		fail(2, err)
	}
	indexes, err := parseIndexes(*entries)
	if err != nil || *url == "" {
		fail(2, errors.New("-url and indexes are needed"))
	}
	client := &http.Client{Timeout: 30 * time.Second}
	found, err := audit(&site{url: *url, bearer: *bearer, client: client}, verifier, *old, indexes)
	if err != nil {
		fail(1, err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		fail(1, err)
	}
}
