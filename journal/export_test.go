package journal

import "context"

// VerifyIn is Verify with chunks of a size that a test chooses; 0 reads everything
// in order.
func VerifyIn(ctx context.Context, dir string, opts VerifyOptions, chunk int64) (Report, error) {
	d, err := openDir(dir)
	if err != nil {
		return Report{}, err
	}
	defer d.Close() // only read from
	end, err := d.End()
	if err != nil {
		return Report{}, err
	}
	return verify(ctx, d, end, opts, chunk)
}
