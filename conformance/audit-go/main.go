// Command audit-go re-checks an exported release log with Go's public sumdb packages and nothing of Mithaq.
//
//	audit-go [-older CHECKPOINT] [-proof FILE -record FILE] DIR
//
// DIR is what `mithaq audit export` wrote. It prints one JSON object and ends with 0 when everything holds, else 1.
// Checked: the log's signature on the cosigned checkpoint, the Ed25519 cosignatures, the tree hash from the tiles,
// every entry against the tiles, every record against its entry, that an older checkpoint is the beginning of this one,
// and one proof with its record. Not checked: ML-DSA-44 cosignatures, which Go's standard library does not know.
package main

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const tileWidth = 256

type verdict struct {
	Verdict  string         `json:"verdict"`
	Log      string         `json:"log"`
	Leaves   int64          `json:"leaves"`
	SignedBy []string       `json:"signed_by"`
	Checked  map[string]int `json:"checked"`
	Wrong    []string       `json:"wrong"`
}

type checkpoint struct {
	origin string
	tree   tlog.Tree
	note   *note.Note
}

// tiles reads C2SP tile paths, which are Go's without the tile height.
type tiles struct{ root string }

func (t tiles) Height() int                     { return 8 }
func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}
func (t tiles) path(tile tlog.Tile) string {
	return strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
}
func (t tiles) ReadTiles(list []tlog.Tile) ([][]byte, error) {
	var data [][]byte
	for _, tile := range list {
		one, err := os.ReadFile(filepath.Join(t.root, t.path(tile)))
		if err != nil {
			return nil, err
		}
		data = append(data, one)
	}
	return data, nil
}

func readCheckpoint(raw []byte, log note.Verifier) (*checkpoint, error) {
	opened, err := note.Open(raw, note.VerifierList(log))
	if err != nil {
		return nil, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != log.Name() {
		return nil, errors.New("no checkpoint of this log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || strconv.FormatInt(size, 10) != lines[1] {
		return nil, errors.New("no size of a log")
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		return nil, err
	}
	return &checkpoint{lines[0], tlog.Tree{N: size, Hash: root}, opened}, nil
}

// policyKeys returns the log's verifier and the Ed25519 keys of witnesses by name.
func policyKeys(root string) (note.Verifier, map[string]ed25519.PublicKey, error) {
	raw, err := os.ReadFile(filepath.Join(root, "policy"))
	if err != nil {
		return nil, nil, err
	}
	var log note.Verifier
	witnesses := map[string]ed25519.PublicKey{}
	for _, line := range strings.Split(string(raw), "\n") {
		words := strings.Fields(line)
		switch {
		case len(words) >= 2 && words[0] == "log":
			if log, err = note.NewVerifier(words[1]); err != nil {
				return nil, nil, err
			}
		case len(words) >= 3 && words[0] == "witness":
			parts := strings.SplitN(words[2], "+", 3)
			if len(parts) != 3 {
				return nil, nil, errors.New("no verifier key")
			}
			key, err := base64.StdEncoding.DecodeString(parts[2])
			if err != nil {
				return nil, nil, err
			}
			if len(key) == 1+ed25519.PublicKeySize && key[0] == 4 {
				witnesses[parts[0]] = ed25519.PublicKey(key[1:])
			}
		}
	}
	if log == nil {
		return nil, nil, errors.New("the policy names no log")
	}
	return log, witnesses, nil
}

// cosigners verifies timestamped Ed25519 cosignatures (c2sp.org/tlog-cosignature).
func cosigners(at *checkpoint, witnesses map[string]ed25519.PublicKey) ([]string, error) {
	var names []string
	for _, each := range at.note.UnverifiedSigs {
		key, known := witnesses[each.Name]
		raw, err := base64.StdEncoding.DecodeString(each.Base64)
		if !known || err != nil || len(raw) != 4+8+ed25519.SignatureSize {
			continue
		}
		id := sha256.Sum256(append([]byte(each.Name+"\n\x04"), key...))
		if !bytes.Equal(id[:4], raw[:4]) {
			continue
		}
		message := fmt.Sprintf("cosignature/v1\ntime %d\n%s", binary.BigEndian.Uint64(raw[4:12]), at.note.Text)
		if !ed25519.Verify(key, []byte(message), raw[12:]) {
			return nil, fmt.Errorf("the signature of %s does not hold", each.Name)
		}
		names = append(names, each.Name)
	}
	return names, nil
}

// readEntries returns every entry and checks each against the authenticated tiles.
func readEntries(root string, size int64, hashes tlog.HashReader) ([][]byte, error) {
	var entries [][]byte
	for number := int64(0); number*tileWidth < size; number++ {
		width := size - number*tileWidth
		if width > tileWidth {
			width = tileWidth
		}
		tile := tlog.Tile{H: 8, L: -1, N: number, W: int(width)}
		path := strings.Replace(tile.Path(), "tile/8/data/", "tile/entries/", 1)
		data, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			return nil, err
		}
		var places []int64
		var want []tlog.Hash
		for len(data) >= 2 {
			length := int(binary.BigEndian.Uint16(data))
			if len(data) < 2+length {
				return nil, fmt.Errorf("%s is cut off", path)
			}
			want = append(want, tlog.RecordHash(data[2:2+length]))
			places = append(places, tlog.StoredHashIndex(0, int64(len(entries))))
			entries = append(entries, data[2:2+length])
			data = data[2+length:]
		}
		if len(data) != 0 || int64(len(want)) != width {
			return nil, fmt.Errorf("%s has another width", path)
		}
		got, err := hashes.ReadHashes(places)
		if err != nil {
			return nil, err
		}
		for place := range got {
			if got[place] != want[place] {
				return nil, fmt.Errorf("%s is not what the tiles commit to", path)
			}
		}
	}
	return entries, nil
}

func commit(salt, record []byte) []byte {
	mac := hmac.New(sha256.New, salt)
	mac.Write(record)
	return mac.Sum(nil)
}

func checkRecords(root string, entries [][]byte) (int, error) {
	file, err := os.Open(filepath.Join(root, "records.ndjson"))
	if os.IsNotExist(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer file.Close()
	count := 0
	reader := bufio.NewReaderSize(file, 1<<20)
	for {
		line, err := reader.ReadBytes('\n')
		if len(line) > 0 {
			var each struct {
				Leaf         int64
				Salt, Record string
			}
			if err := json.Unmarshal(line, &each); err != nil {
				return count, err
			}
			salt, err := base64.StdEncoding.DecodeString(each.Salt)
			if err != nil {
				return count, err
			}
			if each.Leaf < 0 || each.Leaf >= int64(len(entries)) ||
				!hmac.Equal(commit(salt, []byte(each.Record)), entries[each.Leaf]) {
				return count, fmt.Errorf("the record of leaf %d is not what the log committed to", each.Leaf)
			}
			count++
		}
		if err == io.EOF {
			return count, nil
		}
		if err != nil {
			return count, err
		}
	}
}

// checkProof verifies one c2sp.org/tlog-proof with the record it is about.
func checkProof(raw, record []byte, log note.Verifier) error {
	head, rest, found := strings.Cut(string(raw), "\n\n")
	lines := strings.Split(head, "\n")
	if !found || len(lines) < 3 || lines[0] != "c2sp.org/tlog-proof@v1" ||
		!strings.HasPrefix(lines[1], "extra ") || !strings.HasPrefix(lines[2], "index ") {
		return errors.New("no proof of a log")
	}
	salt, err := base64.StdEncoding.DecodeString(lines[1][len("extra "):])
	if err != nil {
		return err
	}
	leaf, err := strconv.ParseInt(lines[2][len("index "):], 10, 64)
	if err != nil {
		return err
	}
	var path tlog.RecordProof
	for _, line := range lines[3:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return err
		}
		path = append(path, hash)
	}
	at, err := readCheckpoint([]byte(rest), log)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(path, at.tree.N, at.tree.Hash, leaf, tlog.RecordHash(commit(salt, record)))
}

func checkOlder(raw []byte, log note.Verifier, at *checkpoint, hashes tlog.HashReader) error {
	older, err := readCheckpoint(raw, log)
	if err != nil {
		return err
	}
	if older.tree.N == 0 || older.tree.N > at.tree.N {
		return fmt.Errorf("a tree of %d leaves does not extend one of %d", at.tree.N, older.tree.N)
	}
	proof, err := tlog.ProveTree(at.tree.N, older.tree.N, hashes)
	if err != nil {
		return err
	}
	return tlog.CheckTree(proof, at.tree.N, at.tree.Hash, older.tree.N, older.tree.Hash)
}

func audit(root, older, proof, record string, found *verdict) error {
	log, witnesses, err := policyKeys(root)
	if err != nil {
		return err
	}
	raw, err := os.ReadFile(filepath.Join(root, "checkpoint"))
	if err != nil {
		return err
	}
	at, err := readCheckpoint(raw, log)
	if err != nil {
		return err
	}
	found.Log, found.Leaves = at.origin, at.tree.N
	names, err := cosigners(at, witnesses)
	if err != nil {
		return err
	}
	found.SignedBy = append([]string{at.origin}, names...)
	found.Checked["signatures"] = len(found.SignedBy)
	hashes := tlog.TileHashReader(at.tree, tiles{root})
	if at.tree.N > 0 {
		whole, err := tlog.TreeHash(at.tree.N, hashes)
		if err != nil {
			return err
		}
		if whole != at.tree.Hash {
			return errors.New("the tiles do not lead to the root of the checkpoint")
		}
	}
	entries, err := readEntries(root, at.tree.N, hashes)
	if err != nil {
		return err
	}
	found.Checked["entries"] = len(entries)
	if found.Checked["records"], err = checkRecords(root, entries); err != nil {
		return err
	}
	if older != "" {
		raw, err := os.ReadFile(older)
		if err == nil {
			err = checkOlder(raw, log, at, hashes)
		}
		if err != nil {
			return err
		}
		found.Checked["older"] = 1
	}
	if proof != "" {
		rawProof, err := os.ReadFile(proof)
		if err != nil {
			return err
		}
		rawRecord, err := os.ReadFile(record)
		if err != nil {
			return err
		}
		if err := checkProof(rawProof, rawRecord, log); err != nil {
			return err
		}
		found.Checked["proofs"] = 1
	}
	return nil
}

func main() {
	older := flag.String("older", "", "an earlier checkpoint of the same log")
	proof := flag.String("proof", "", "a proof of one record")
	record := flag.String("record", "", "the record the proof is about")
	flag.Parse()
	found := &verdict{Verdict: "holds", Checked: map[string]int{}, SignedBy: []string{}, Wrong: []string{}}
	if err := audit(flag.Arg(0), *older, *proof, *record, found); err != nil {
		found.Verdict = "does not hold"
		found.Wrong = append(found.Wrong, err.Error())
	}
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil || len(found.Wrong) > 0 {
		os.Exit(1)
	}
}
