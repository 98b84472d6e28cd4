using EmailApi.Http;

namespace EmailApi.Tests.Http;

public sealed class PagingTests
{
    [Fact]
    public void A_cursor_gives_its_key_back()
    {
        var cursor = Paging.Cursor(ulong.MaxValue, long.MinValue);

        Assert.Matches("^[A-Za-z0-9_-]+$", cursor);
        Assert.Equal((ulong.MaxValue, long.MinValue), Paging.After<ulong, long>(cursor));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    public void No_cursor_is_the_first_page(string? cursor) => Assert.Null(Paging.After<int>(cursor));

    [Theory]
    [InlineData("!")]
    [InlineData("a")]
    [InlineData("MQ==x")]
    [InlineData("MS4y")]
    [InlineData("\0")]
    public void Another_cursor_is_refused(string cursor) =>
        Assert.Equal(ProblemKind.BadCursor, Assert.Throws<ProblemException>(() => Paging.After<int>(cursor)).Kind);

    [Fact]
    public void A_limit_is_from_1_to_100_and_25_when_left_out()
    {
        Assert.Equal([25, 1, 100], new int?[] { null, 1, 100 }.Select(Paging.Limit));
        Assert.All([0, -1, 101, int.MinValue, int.MaxValue], limit => Assert.Equal(400, Assert.Throws<ProblemException>(() => Paging.Limit(limit)).Kind.Status));
    }
}
