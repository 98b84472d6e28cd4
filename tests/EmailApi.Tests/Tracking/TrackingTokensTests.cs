using EmailApi.Data;
using EmailApi.Http;
using EmailApi.Tracking;
using Microsoft.Extensions.Options;

namespace EmailApi.Tests.Tracking;

/// <summary>A token says what it was made to say, or nothing.</summary>
public sealed class TrackingTokensTests
{
    const string Target = "https://shop.example/orders?id=4711&x=%E6%97%A5#top";
    static readonly CopyId Copy = new(7, Guid.Parse("019ac3f1-e2a0-7d3b-9c4e-5f60718293a4"), 3);

    readonly TrackingTokens tokens = New(0);

    [Fact]
    public void It_is_read_as_it_was_made()
    {
        Assert.Equal(Copy, tokens.ReadOpen(tokens.Open(Copy)));
        Assert.Equal(new ClickToken(Copy, 12, Target), tokens.ReadClick(tokens.Click(Copy, 12, Target)));
        Assert.Equal(new UnsubscribeToken(Copy, UnsubscribeScope.Project), tokens.ReadUnsubscribe(tokens.Unsubscribe(Copy, UnsubscribeScope.Project)));
    }

    [Fact]
    public void Every_node_with_the_same_master_key_reads_it_and_no_other()
    {
        Assert.NotNull(New(0).ReadOpen(tokens.Open(Copy)));
        Assert.Null(New(1).ReadOpen(tokens.Open(Copy)));
        Assert.Null(New(1).ReadClick(tokens.Click(Copy, 1, Target)));
    }

    [Fact]
    public void Another_letter_anywhere_makes_it_worthless()
    {
        const string letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        string[] made = [tokens.Open(Copy), tokens.Click(Copy, 1, Target), tokens.Unsubscribe(Copy, UnsubscribeScope.Stream)];

        foreach (var token in made)
            for (var at = 0; at < token.Length; at++)
                foreach (var letter in letters.Where(l => l != token[at]))
                    AssertWorthless(token[..at] + letter + token[(at + 1)..]);
    }

    [Fact]
    public void Shorter_longer_and_spelt_otherwise_it_is_worthless()
    {
        foreach (var token in new[] { tokens.Open(Copy), tokens.Click(Copy, 1, Target), tokens.Unsubscribe(Copy, UnsubscribeScope.Stream) })
        {
            for (var length = 0; length < token.Length; length++) AssertWorthless(token[..length]);
            foreach (var end in new[] { "A", "=", "==", " ", "\n", "\0", ".gif", "/", "%3D", "あ" })
            {
                AssertWorthless(token + end);
                AssertWorthless(end + token);
            }

            AssertWorthless(token.ToUpperInvariant());
            AssertWorthless(token.Insert(10, " "));
            AssertWorthless(token + token);
        }

        AssertWorthless(new string('A', 10_000));
    }

    [Fact]
    public void One_kind_does_not_pass_for_another()
    {
        Assert.Null(tokens.ReadOpen(tokens.Unsubscribe(Copy, UnsubscribeScope.Stream)));
        Assert.Null(tokens.ReadOpen(tokens.Click(Copy, 1, Target)));
        Assert.Null(tokens.ReadClick(tokens.Open(Copy)));
        Assert.Null(tokens.ReadUnsubscribe(tokens.Open(Copy)));
        Assert.Null(tokens.ReadUnsubscribe(tokens.Click(Copy, 1, Target)));
    }

    /// <summary>The signature of one token with what another says.</summary>
    [Theory]
    [InlineData(8, "019ac3f1e2a07d3b9c4e5f60718293a4", 3, 1, Target)]
    [InlineData(7, "019ac3f1e2a07d3b9c4e5f60718293a5", 3, 1, Target)]
    [InlineData(7, "019ac3f1e2a07d3b9c4e5f60718293a4", 4, 1, Target)]
    [InlineData(7, "019ac3f1e2a07d3b9c4e5f60718293a4", 3, 2, Target)]
    [InlineData(7, "019ac3f1e2a07d3b9c4e5f60718293a4", 3, 1, "https://evil.example/")]
    public void A_signature_is_for_one_project_mail_recipient_link_and_target(int project, string email, int n, int link, string target)
    {
        var good = tokens.Click(Copy, 1, Target);
        var other = tokens.Click(new(project, Guid.ParseExact(email, "n"), n), link, target);

        var forged = Encode([.. Decode(good)[..16], .. Decode(other)[16..]]);

        Assert.NotNull(tokens.ReadClick(other));
        Assert.Null(tokens.ReadClick(forged));
    }

    void AssertWorthless(string token)
    {
        Assert.Null(tokens.ReadOpen(token));
        Assert.Null(tokens.ReadClick(token));
        Assert.Null(tokens.ReadUnsubscribe(token));
    }

    static byte[] Decode(string token) => System.Buffers.Text.Base64Url.DecodeFromChars(token);

    static string Encode(byte[] bytes) => System.Buffers.Text.Base64Url.EncodeToString(bytes);

    static TrackingTokens New(byte key) =>
        new(new MasterKey(Options.Create(new AppOptions { MasterKey = Convert.ToBase64String([.. Enumerable.Repeat(key, 32)]) })));
}
