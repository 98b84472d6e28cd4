using EmailApi.Http;
using EmailApi.Projects;

namespace EmailApi.Tests.Projects;

public sealed class ApiKeyTokenTests
{
    [Theory]
    [InlineData(KeyMode.Live)]
    [InlineData(KeyMode.Test)]
    public void A_token_says_its_mode_and_carries_its_id(KeyMode mode)
    {
        var (id, token) = ApiKeyToken.Create(mode);

        Assert.Matches($"^ek_{mode.Word()}_{id}_[0-9a-f]{{56}}$", token);
        Assert.Equal(id, ApiKeyToken.TryParseId(token));
        Assert.NotEqual(token, ApiKeyToken.Create(mode).Token);
    }

    [Fact]
    public void A_token_with_any_character_changed_is_none()
    {
        var token = ApiKeyToken.Create(KeyMode.Live).Token;

        for (var i = 0; i < token.Length; i++)
        {
            var other = token[i] == '0' ? '1' : '0';
            Assert.Null(ApiKeyToken.TryParseId(token[..i] + other + token[(i + 1)..]));
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("ek_")]
    [InlineData("ek_live_")]
    [InlineData("ek_live_000000000000_")]
    [InlineData("ek_prod_000000000000_00000000")]
    [InlineData("bootstrap")]
    [InlineData("____________")]
    public void What_has_another_form_is_none(string token) => Assert.Null(ApiKeyToken.TryParseId(token));
}
