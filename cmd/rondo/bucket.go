package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"

	"rondo/autoscale/s3"
	"rondo/syslogd/logimport"
)

// bucketFlags say how buckets are reached.
type bucketFlags struct {
	Config     string `help:"Configuration file: keys and server of a bucket are those of the s3 destination, or of the backup, that names it." type:"path" placeholder:"FILE"`
	S3Endpoint string `name:"s3-endpoint" help:"Server of the bucket, if it is not AWS's: http(s)://host[:port]. Keys come from AWS's usual places." placeholder:"URL"`
	S3Region   string `name:"s3-region" help:"Region of the bucket." placeholder:"REGION"`
}

func isBucketURL(place string) bool { return strings.HasPrefix(place, "s3://") }

// open makes a client of a bucket, without its prefix.
func (f bucketFlags) open(ctx context.Context, name string) (*s3.Bucket, error) {
	var c s3.Config
	if f.Config != "" {
		conf, err := loadConfig(f.Config)
		if err != nil {
			return nil, err
		}
		c = conf.bucketConfig(name)
	}
	if f.S3Endpoint != "" {
		c.Endpoint = f.S3Endpoint
	}
	if f.S3Region != "" {
		c.Region = f.S3Region
	}
	return s3.New(ctx, c, name, "")
}

// bucketConfig is what a configuration says of a bucket.
func (c *config) bucketConfig(name string) s3.Config {
	if bucket, _, err := s3.ParseURL(c.Backup.To); err == nil && bucket == name {
		return c.Backup.S3
	}
	return s3.Config{}
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
