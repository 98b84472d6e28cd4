using EmailApi.Emails;

namespace EmailApi.Tests.Emails;

public sealed class InstantTests
{
    [Theory]
    [InlineData("2026-12-01T09:00:00+09:00", "2026-12-01T00:00:00.0000000+00:00")]
    [InlineData("2026-12-01T00:00:00Z", "2026-12-01T00:00:00.0000000+00:00")]
    [InlineData("2026-12-01t00:00:00z", "2026-12-01T00:00:00.0000000+00:00")]
    [InlineData("2026-12-01T00:00:00-00:00", "2026-12-01T00:00:00.0000000+00:00")]
    [InlineData("2026-12-01T00:00:00.5Z", "2026-12-01T00:00:00.5000000+00:00")]
    [InlineData("2026-12-01T00:00:00.1234567Z", "2026-12-01T00:00:00.1234567+00:00")]
    [InlineData("2026-12-01T00:00:00.123456789Z", "2026-12-01T00:00:00.1234567+00:00")]
    [InlineData("2026-12-01T00:00:00.999999999999-01:30", "2026-12-01T01:30:00.9999999+00:00")]
    public void A_time_with_its_offset_is_read_as_UTC(string text, string at)
    {
        Assert.True(Instant.TryParse(text, out var read));
        Assert.Equal(at, read.ToString("O"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("2026-12-01")]
    [InlineData("2026-12-01T09:00:00")]
    [InlineData("2026-12-01T09:00:00.5")]
    [InlineData("2026-12-01T09:00:00.Z.")]
    [InlineData("2026-12-01T09:00:00.12345678")]
    [InlineData("2026-12-01 09:00:00+0900")]
    [InlineData("2026-02-30T00:00:00Z")]
    [InlineData("2026-12-01T25:00:00Z")]
    [InlineData("2026-12-01T09:00:00+25:00")]
    [InlineData("9999-12-31T23:59:59-01:00")]
    [InlineData("0001-01-01T00:00:00+01:00")]
    [InlineData("2026-12-01T09:00:00Z\0")]
    [InlineData("1764547200")]
    [InlineData("２０２６-12-01T09:00:00Z")]
    public void What_leaves_a_doubt_is_not_read(string text) => Assert.False(Instant.TryParse(text, out _));
}
