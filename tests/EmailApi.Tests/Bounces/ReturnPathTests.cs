using System.Text;
using EmailApi.Bounces;
using EmailApi.Data;
using EmailApi.Http;
using Microsoft.Extensions.Options;

namespace EmailApi.Tests.Bounces;

/// <summary>The keyed tag in every return path.</summary>
public sealed class ReturnPathTests
{
    static readonly Guid Email = Guid.CreateVersion7();

    readonly ReturnPath path = New();

    static ReturnPath New(string? domain = "Bounce.example", byte key = 0, int daysLater = 0)
    {
        var master = new byte[32];
        master[0] = key;
        var options = Options.Create(new AppOptions { Bounce = new() { Domain = domain }, MasterKey = Convert.ToBase64String(master) });
        return new ReturnPath(options, new MasterKey(options), new Later(daysLater));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(1000)]
    public void What_it_makes_it_reads(int n)
    {
        var address = path.Of(path.TagOf(Email, n));

        Assert.Matches("^b[a-z2-7]{48}@bounce[.]example$", address);
        Assert.Equal(new ReturnTag(Email, n), path.Read(address));
        Assert.Equal(new ReturnTag(Email, n), path.Read(address.ToUpperInvariant()));
    }

    [Fact]
    public void No_letter_can_be_changed()
    {
        var address = path.Of(path.TagOf(Email, 1));

        for (var i = 0; i < 49; i++)
        {
            var changed = new StringBuilder(address) { [i] = address[i] == 'c' ? 'd' : 'c' };
            Assert.Null(path.Read(changed.ToString()));
        }
    }

    [Fact]
    public void Another_servers_and_another_domains_are_not_ours()
    {
        var address = path.Of(path.TagOf(Email, 1));

        Assert.Null(New(key: 1).Read(address));
        Assert.Null(path.Read(address.Replace("bounce", "other", StringComparison.Ordinal)));
        Assert.Null(path.Read(address + ".jp"));
        Assert.Null(path.Read(address[..49]));
        Assert.Null(path.Read(""));
        Assert.Null(path.Read("b@bounce.example"));
        Assert.Null(path.Read("b日本" + address[3..]));
    }

    [Theory]
    [InlineData(0, true)]
    [InlineData(ReturnPath.ValidDays, true)]
    [InlineData(ReturnPath.ValidDays + 1, false)]
    [InlineData(-1, true)]
    [InlineData(-2, false)]
    public void It_is_good_for_sixty_days(int daysLater, bool isGood) =>
        Assert.Equal(isGood, New(daysLater: daysLater).Read(path.Of(path.TagOf(Email, 1))) is not null);

    [Fact]
    public void It_is_found_wherever_it_stands_in_a_message()
    {
        var tag = path.TagOf(Email, 7);

        Assert.Equal(new ReturnTag(Email, 7), Find($"Return-Path: <{tag}@bounce.example>\r\n\r\nHello"));
        Assert.Equal(new ReturnTag(Email, 7), Find($"Original-Envelope-Id: {tag.ToUpperInvariant()}\r\n"));
        Assert.Equal(new ReturnTag(Email, 7), Find($"{New(key: 1).TagOf(Email, 1)} {tag}"));
        Assert.Null(Find($"x{tag} {tag}7 {tag[1..]} {new string('b', 49)}"));
        Assert.Null(Find(""));

        ReturnTag? Find(string message) => path.Find(Encoding.ASCII.GetBytes(message));
    }

    [Fact]
    public void A_message_full_of_forged_ones_costs_no_more_than_fifty()
    {
        var forged = string.Join(' ', Enumerable.Repeat(New(key: 1).TagOf(Email, 1), 50));

        Assert.Null(path.Find(Encoding.ASCII.GetBytes($"{forged} {path.TagOf(Email, 1)}")));
    }

    [Fact]
    public void Without_a_domain_there_is_none() => Assert.False(New(domain: null).IsOn);

    sealed class Later(int days) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => base.GetUtcNow().AddDays(days);
    }
}
