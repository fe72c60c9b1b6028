package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"rondo/autoscale/s3"
	"rondo/cmd/rondo/backup"
	"rondo/syslogd/out"
	"rondo/syslogd/out/archive"
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
	for _, d := range c.Syslogd.Destinations {
		if d.S3 == nil {
			continue
		}
		if bucket, _, err := s3.ParseURL(d.S3.To); err == nil && bucket == name {
			return s3Config{d.S3}.server()
		}
	}
	if bucket, _, err := s3.ParseURL(c.Backup.To); err == nil && bucket == name {
		return c.Backup.S3
	}
	return s3.Config{}
}

// s3Config is an archive, with what only the bucket's client can say of it.
type s3Config struct{ *archive.Config }

// Validate says what is wrong, each with its key.
func (c s3Config) Validate() error {
	err := c.Config.Validate()
	if err == nil {
		_, err = c.build()
	}
	return err
}

// build makes the destination, whose bucket is opened when it is first needed.
func (c s3Config) build() (out.Destination, error) {
	bucket, prefix, err := s3.ParseURL(c.To)
	if err != nil {
		return nil, fmt.Errorf("to: %w", err)
	}
	keys, err := backup.ParseRecipients(c.Recipients)
	if err := errors.Join(c.server().Validate(), err); err != nil {
		return nil, err
	}
	return archive.New(*c.Config, func(ctx context.Context) (archive.Bucket, error) {
		b, err := s3.New(ctx, c.server(), bucket, prefix)
		if err != nil || len(c.Recipients) == 0 {
			return b, err
		}
		return sealedBucket{b, keys}, nil
	})
}

// server is where the bucket is.
func (c s3Config) server() s3.Config {
	return s3.Config{Endpoint: c.Endpoint, Region: c.Region, AccessKey: c.AccessKey, SecretKey: string(c.SecretKey), PathStyle: c.PathStyle}
}

// sealedBucket encrypts what it puts.
type sealedBucket struct {
	archive.Bucket
	keys backup.Keys
}

// Put implements archive.Bucket.
func (b sealedBucket) Put(ctx context.Context, name string, body io.Reader) error {
	plain, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	sealed, err := b.keys.Encrypt(plain)
	if err != nil {
		return err
	}
	return b.Bucket.Put(ctx, name+".age", bytes.NewReader(sealed))
}
