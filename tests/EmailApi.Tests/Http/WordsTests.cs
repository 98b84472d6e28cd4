using EmailApi.Emails;
using EmailApi.Http;

namespace EmailApi.Tests.Http;

public sealed class WordsTests
{
    [Fact]
    public void A_word_is_the_member_in_snake_case_and_leads_back_to_it()
    {
        Assert.Equal("in_doubt", RecipientState.InDoubt.Word());
        Assert.All(Enum.GetValues<RecipientState>(), state => Assert.Equal(state, Words.Parse<RecipientState>(state.Word())));
        Assert.Equal(Enum.GetValues<RecipientState>().Length, Words.All<RecipientState>().Distinct().Count());
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("InDoubt")]
    [InlineData("in-doubt")]
    [InlineData("5")]
    public void Another_word_is_none(string? word) => Assert.False(Words.TryParse<RecipientState>(word, out _));
}
