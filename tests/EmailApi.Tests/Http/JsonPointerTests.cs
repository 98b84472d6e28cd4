using EmailApi.Http;

namespace EmailApi.Tests.Http;

public sealed class JsonPointerTests
{
    [Theory]
    [InlineData(null, "#")]
    [InlineData("$", "#")]
    [InlineData("$.subject", "#/subject")]
    [InlineData("$.reply_to[12].email", "#/reply_to/12/email")]
    [InlineData("$[3].to[0]", "#/3/to/0")]
    [InlineData("$.headers.X-Order", "#/headers/X-Order")]
    [InlineData("$.tags['a b.c']", "#/tags/a%20b.c")]
    [InlineData("$.tags['a/b~c'].x", "#/tags/a~1b~0c/x")]
    [InlineData("$['unclosed", "#/unclosed")]
    public void It_is_made_from_the_serializers_path(string? path, string pointer) => Assert.Equal(pointer, JsonPointer.Of(path));

    [Fact]
    public void It_is_made_from_parts()
    {
        Assert.Equal("#", JsonPointer.Of([]));
        Assert.Equal("#/to/1", JsonPointer.Of("to", 1));
        Assert.Equal("#/tags/%E6%B3%A8~1%E6%96%87~0%25", JsonPointer.Of("tags", "注/文~%"));
        Assert.Equal("#/headers/", JsonPointer.Of("headers", ""));
    }
}
