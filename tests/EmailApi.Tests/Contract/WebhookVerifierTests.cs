using System.Security.Cryptography;
using System.Text;
using EmailApi.Client;
using Microsoft.Extensions.Time.Testing;

namespace EmailApi.Tests.Contract;

public sealed class WebhookVerifierTests
{
    const string Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";   // of the specification's own example
    const string Id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const string Body = """{"type":"email.sent","timestamp":"2026-11-24T03:00:00.123Z","data":{"event_id":"ev_1","sequence":2,"email_id":"em_1","recipient":"taro@example.jp","stream":"transactional","tags":{"order":"4711"},"new":1}}""";

    static readonly DateTimeOffset Now = DateTimeOffset.FromUnixTimeSeconds(1_614_265_330);

    static WebhookVerifier Verifier(params string[] secrets) => new(secrets.Length == 0 ? [Secret] : secrets, clock: new FakeTimeProvider(Now));

    static string Sign(string body, long at, string secret = Secret) =>
        $"v1,{Convert.ToBase64String(HMACSHA256.HashData(Convert.FromBase64String(secret["whsec_".Length..]), Encoding.UTF8.GetBytes($"{Id}.{at}.{body}")))}";

    static EmailEvent Verify(string signature, string body = Body, long? at = null, WebhookVerifier? verifier = null) =>
        (verifier ?? Verifier()).Verify(Id, $"{at ?? Now.ToUnixTimeSeconds()}", signature, Encoding.UTF8.GetBytes(body));

    [Fact]
    public void The_example_of_the_specification_is_right_and_a_body_that_is_no_event_is_said_to_be_none()
    {
        var error = Assert.Throws<WebhookVerificationException>(() => Verify("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", """{"test": 2432232314}"""));

        Assert.Equal("The body is no event.", error.Message);
    }

    [Fact]
    public void What_was_signed_is_read_as_the_feed_has_it_and_new_fields_are_passed_over()
    {
        var told = Verify(Sign(Body, Now.ToUnixTimeSeconds()));

        Assert.Equal(("ev_1", "email.sent", "em_1", "taro@example.jp", 2, "4711"), (told.Id, told.Type, told.EmailId, told.Recipient, told.Sequence, told.Tags!["order"]));
        Assert.Equal(new DateTimeOffset(2026, 11, 24, 3, 0, 0, 123, TimeSpan.Zero), told.At);
    }

    [Theory]
    [InlineData(-300)]
    [InlineData(300)]
    public void Five_minutes_either_way_are_taken(int seconds) => Verify(Sign(Body, Now.ToUnixTimeSeconds() + seconds), at: Now.ToUnixTimeSeconds() + seconds);

    [Theory]
    [InlineData(-301)]
    [InlineData(301)]
    public void More_is_not(int seconds) =>
        Assert.Throws<WebhookVerificationException>(() => Verify(Sign(Body, Now.ToUnixTimeSeconds() + seconds), at: Now.ToUnixTimeSeconds() + seconds));

    [Fact]
    public void One_right_signature_among_others_is_enough_as_is_one_right_secret()
    {
        const string other = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        var (at, right) = (Now.ToUnixTimeSeconds(), Sign(Body, Now.ToUnixTimeSeconds()));

        Verify($"{Sign(Body, at, other)} {right}");
        Verify($"v2,c29tZXRoaW5nIG5ldw== v1a,AAAA nonsense {right}");
        Verify(right, verifier: Verifier(other, Secret));
        Assert.Throws<WebhookVerificationException>(() => Verify(right, verifier: Verifier(other)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("v1,")]
    [InlineData("v1,not base64")]
    [InlineData("v1,AAAA")]
    [InlineData("v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")]
    [InlineData("v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")]
    public void A_wrong_signature_is_refused(string signature) => Assert.Throws<WebhookVerificationException>(() => Verify(signature));

    [Fact]
    public void Another_body_id_or_timestamp_is_refused()
    {
        var at = Now.ToUnixTimeSeconds();
        var signature = Sign(Body, at);

        Assert.Throws<WebhookVerificationException>(() => Verify(signature, Body + " "));
        Assert.Throws<WebhookVerificationException>(() => Verify(signature, at: at + 1));
        Assert.Throws<WebhookVerificationException>(() => Verifier().Verify(Id + "x", $"{at}", signature, Encoding.UTF8.GetBytes(Body)));
        Assert.Throws<WebhookVerificationException>(() => Verifier().Verify(Id, "soon", signature, Encoding.UTF8.GetBytes(Body)));
        Assert.Throws<WebhookVerificationException>(() => Verifier().Verify(_ => null, Encoding.UTF8.GetBytes(Body)));
    }

    [Theory]
    [InlineData("whsec_")]
    [InlineData("whsec_not base64!")]
    [InlineData("whsec_c2hvcnQ=")]
    [InlineData("")]
    public void A_secret_that_is_none_is_said_to_be_none(string secret) => Assert.Throws<ArgumentException>(() => new WebhookVerifier(secret));

    [Fact]
    public void Without_a_secret_nothing_is_verified() => Assert.Throws<ArgumentException>(() => new WebhookVerifier([]));
}
