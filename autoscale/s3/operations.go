package s3

import (
	"context"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
)

// operations are those of the SDK's client that are called. The client itself
// must not be part of a type that reflection could reach: beside html/template,
// which calls methods by their names, the linker would keep all of its
// operations.
type operations struct {
	put            operation[awss3.PutObjectInput, awss3.PutObjectOutput]
	createUpload   operation[awss3.CreateMultipartUploadInput, awss3.CreateMultipartUploadOutput]
	uploadPart     operation[awss3.UploadPartInput, awss3.UploadPartOutput]
	completeUpload operation[awss3.CompleteMultipartUploadInput, awss3.CompleteMultipartUploadOutput]
	abortUpload    operation[awss3.AbortMultipartUploadInput, awss3.AbortMultipartUploadOutput]
	get            operation[awss3.GetObjectInput, awss3.GetObjectOutput]
	list           listing
	delete         operation[awss3.DeleteObjectInput, awss3.DeleteObjectOutput]
}

type operation[In, Out any] func(context.Context, *In, ...func(*awss3.Options)) (*Out, error)

func operationsOf(c *awss3.Client) operations {
	return operations{
		put: c.PutObject, get: c.GetObject, list: c.ListObjectsV2, delete: c.DeleteObject,
		createUpload: c.CreateMultipartUpload, uploadPart: c.UploadPart,
		completeUpload: c.CompleteMultipartUpload, abortUpload: c.AbortMultipartUpload,
	}
}

// listing is the operation that the SDK's paginator calls, by this name.
type listing operation[awss3.ListObjectsV2Input, awss3.ListObjectsV2Output]

// ListObjectsV2 implements awss3.ListObjectsV2APIClient.
func (l listing) ListObjectsV2(ctx context.Context, in *awss3.ListObjectsV2Input, opts ...func(*awss3.Options)) (*awss3.ListObjectsV2Output, error) {
	return l(ctx, in, opts...)
}
