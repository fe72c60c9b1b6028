package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"rondo/autoscale/s3"
	"rondo/cmd/rondo/backup"
	"rondo/syslogd/logimport"
)

// leeway is how far a message's own time is believed to be from its reception,
// where an object is passed over for it.
const leeway = 24 * time.Hour

// find lists the files of all arguments.
func (c logsImportCmd) find(ctx context.Context, s logimport.Selection) ([]logimport.File, error) {
	var all []logimport.File
	for _, p := range c.Paths {
		var found []logimport.File
		var err error
		if isBucketURL(p) {
			found, err = c.bucketFiles(ctx, p)
		} else {
			found, err = localFiles(p)
		}
		if err == nil && len(found) == 0 {
			err = fmt.Errorf("%s: there is nothing", p)
		}
		if err != nil {
			return nil, err
		}
		slices.SortFunc(found, func(a, b logimport.File) int { return cmp.Compare(a.Name, b.Name) })
		all = append(all, found...)
	}
	ids, err := c.identities()
	if err != nil {
		return nil, err
	}
	for i := range all {
		all[i].Open = decrypted(ids, all[i].Open)
	}
	return slices.DeleteFunc(all, func(f logimport.File) bool {
		begin := logimport.ArchiveBegin(f.Name)
		early := !s.From.IsZero() && f.Changed.Before(s.From.Add(-leeway))
		late := !s.To.IsZero() && begin.After(s.To.Add(leeway))
		return !begin.IsZero() && (early || late)
	}), nil
}

func (c logsImportCmd) identities() (backup.Identities, error) {
	if c.Identity == "" {
		return nil, nil
	}
	f, err := os.Open(c.Identity)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return backup.ParseIdentities(f)
}

// decrypted opens what open opens, and decrypts it if need be.
func decrypted(ids backup.Identities, open func(context.Context) (io.ReadCloser, error)) func(context.Context) (io.ReadCloser, error) {
	return func(ctx context.Context) (io.ReadCloser, error) {
		f, err := open(ctx)
		if err != nil {
			return nil, err
		}
		r, err := ids.Decrypt(f)
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		return struct {
			io.Reader
			io.Closer
		}{r, f}, nil
	}
}

// localFiles are a file, or those in a directory.
func localFiles(root string) (files []logimport.File, err error) {
	err = filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := os.Stat(path)
		if err != nil || !info.Mode().IsRegular() {
			if path == root && err == nil {
				err = fmt.Errorf("%s is no regular file", path)
			}
			return err
		}
		files = append(files, localFile(path, info))
		return nil
	})
	return files, err
}

func localFile(path string, info os.FileInfo) logimport.File {
	open := func(context.Context) (io.ReadCloser, error) { return os.Open(path) }
	return logimport.File{
		Name: path, Size: info.Size(), Changed: info.ModTime(), Open: open,
		Identity: func(ctx context.Context) (string, error) {
			if id := logimport.ArchiveIdentity(path); id != "" {
				return id, nil
			}
			f, err := open(ctx)
			if err != nil {
				return "", err
			}
			defer f.Close()
			return logimport.HashIdentity(f)
		},
	}
}

// bucketFiles are the objects of s3://bucket/prefix.
func (c logsImportCmd) bucketFiles(ctx context.Context, place string) (files []logimport.File, err error) {
	name, prefix, err := s3.ParseURL(place)
	if err != nil {
		return nil, err
	}
	b, err := c.bucketFlags.open(ctx, name)
	if err != nil {
		return nil, err
	}
	err = b.List(ctx, prefix, func(object string, size int64, changed time.Time) error {
		if !strings.HasSuffix(object, "/") { // what a console makes for a folder
			files = append(files, bucketFile(b, "s3://"+name+"/", object, size, changed))
		}
		return nil
	})
	return files, err
}

func bucketFile(b *s3.Bucket, url, object string, size int64, changed time.Time) logimport.File {
	return logimport.File{
		Name: url + object, Size: size, Changed: changed,
		Open: func(ctx context.Context) (io.ReadCloser, error) { return b.Get(ctx, object) },
		Identity: func(context.Context) (string, error) {
			if id := logimport.ArchiveIdentity(object); id != "" {
				return id, nil
			}
			sum := sha256.Sum256(fmt.Appendf(nil, "%s%s %d %d", url, object, size, changed.Unix()))
			return hex.EncodeToString(sum[:]), nil
		},
	}
}
