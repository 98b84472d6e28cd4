using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Text.Json;
using EmailApi.Bounces;

namespace EmailApi.Tests.Bounces;

/// <summary>289 real messages. The bars are below what is reached, so that a rule may lose one while it wins others; a message says which missed.</summary>
public class BounceCorpusTests
{
    static readonly IReadOnlyList<Case> Cases = Load();

    [Fact]
    public void Every_message_is_known_as_a_bounce() => AtLeast(99, Cases, read => read.Report.Kind is ReportKind.Bounce);

    [Fact]
    public void Every_recipient_is_found() =>
        AtLeast(99, Cases, read => read.Report.Recipients.Count == read.Expected.Count && read.Report.Recipients.All(r => r.Email is not null));

    [Fact]
    public void Recipients_of_a_delivery_status_are_those_that_it_names() =>
        AtLeast(99, Cases.Where(c => c.HasDeliveryStatus), read => read.Report.Recipients.All(r => read.Text.Contains(r.Email!, StringComparison.OrdinalIgnoreCase)
            || read.Text.Contains("=?", StringComparison.Ordinal)));

    [Fact]
    public void Permanent_and_temporary_are_told_apart_where_there_is_a_delivery_status() => AtLeast(97, Cases.Where(c => c.HasDeliveryStatus), HasClass);

    [Fact]
    public void Permanent_and_temporary_are_told_apart_in_free_text() => AtLeast(95, Cases.Where(c => !c.HasDeliveryStatus), HasClass);

    [Fact]
    public void The_reason_is_right_where_there_is_a_delivery_status() => AtLeast(90, Cases.Where(c => c.HasDeliveryStatus), HasReason);

    [Fact]
    public void The_reason_is_right_in_free_text() => AtLeast(90, Cases.Where(c => !c.HasDeliveryStatus), HasReason);

    [Fact]
    public void Codes_are_read() => AtLeast(95, Cases, read => read.Expected[0] is var row
        && (IsStandIn(row.Status) || read.First?.Status == row.Status)
        && (row.Reply.Length is 0 || $"{read.First?.ReplyCode}" == row.Reply));

    [Fact]
    public void Diagnostics_are_one_printable_line() => AtLeast(100, Cases, read => read.Report.Recipients
        .All(r => r.Diagnostic is null || (r.Diagnostic.Length is > 0 and <= 1000 && !r.Diagnostic.Any(char.IsControl))));

    [Fact]
    public void None_takes_a_second() => AtLeast(100, Cases, read => read.Took < TimeSpan.FromSeconds(1));

    [Fact]
    public void Most_tell_which_mail_they_speak_of() => AtLeast(85, Cases, read => read.Report.Original.MessageId is not null);

    /// <summary>The corpus' reasons in our words; several where it parts what we do not, or not along the same line.</summary>
    static readonly Dictionary<string, BounceReason[]> Reasons = new()
    {
        ["authfailure"] = [BounceReason.Authentication],
        ["badreputation"] = [BounceReason.Reputation],
        ["blocked"] = [BounceReason.Reputation, BounceReason.Policy, BounceReason.RateLimited, BounceReason.Authentication],
        ["contenterror"] = [BounceReason.Content],
        ["delivered"] = [BounceReason.Delivered],
        ["exceedlimit"] = [BounceReason.MessageTooBig],
        ["expired"] = [BounceReason.Expired, BounceReason.Network],
        ["filtered"] = [BounceReason.UnknownUser, BounceReason.Policy, BounceReason.Spam, BounceReason.Content],
        ["hasmoved"] = [BounceReason.Moved],
        ["hostunknown"] = [BounceReason.UnknownHost],
        ["mailboxfull"] = [BounceReason.MailboxFull],
        ["mailererror"] = [BounceReason.System],
        ["mesgtoobig"] = [BounceReason.MessageTooBig],
        ["networkerror"] = [BounceReason.Network],
        ["norelaying"] = [BounceReason.RelayDenied],
        ["notaccept"] = [BounceReason.UnknownHost, BounceReason.Policy],
        ["notcompliantrfc"] = [BounceReason.Content],
        ["onhold"] = [BounceReason.Undetermined],
        ["policyviolation"] = [BounceReason.Policy],
        ["rejected"] = [BounceReason.Policy, BounceReason.Reputation, BounceReason.Authentication],
        ["requireptr"] = [BounceReason.Authentication, BounceReason.Reputation],
        ["securityerror"] = [BounceReason.Policy, BounceReason.Authentication],
        ["spamdetected"] = [BounceReason.Spam],
        ["speeding"] = [BounceReason.RateLimited],
        ["suspend"] = [BounceReason.MailboxDisabled],
        ["syntaxerror"] = [BounceReason.System],
        ["systemerror"] = [BounceReason.System],
        ["systemfull"] = [BounceReason.MailboxFull, BounceReason.System],
        ["toomanyconn"] = [BounceReason.RateLimited],
        ["undefined"] = [BounceReason.Undetermined],
        ["userunknown"] = [BounceReason.UnknownUser],
        ["virusdetected"] = [BounceReason.Virus],
    };

    static bool HasReason(Case read) =>
        read.Expected.Zip(read.Report.Recipients).All(pair => Reasons[pair.First.Reason].Contains(pair.Second.Reason)) && read.Report.Recipients.Count > 0;

    static bool HasClass(Case read) => read.Report.Recipients.Count > 0 && read.Expected.Zip(read.Report.Recipients).All(pair =>
        pair.Second.Type == pair.First.Status[0] switch { '2' => ReportType.Delivered, '4' => ReportType.Temporary, _ => ReportType.Permanent });

    static bool IsStandIn(string status) => status.Split('.')[2] is { Length: 3 } and ['9', ..];

    static void AtLeast(double percent, IEnumerable<Case> cases, Func<Case, bool> isRight)
    {
        var all = cases.ToList();
        var missed = all.Where(c => !isRight(c)).ToList();

        var reached = 100.0 * (all.Count - missed.Count) / all.Count;
        Assert.True(reached >= percent, $"{reached:F1} % of {all.Count}, {percent} are asked. Missed:\n" + string.Join("\n", missed.Select(c =>
            $"{c.File}: expected {c.Expected[0].Status} {c.Expected[0].Reply} {c.Expected[0].Reason}, read {c.Report.Kind} {c.First}")));
    }

    sealed record Row(string Status, string Reply, string Reason);

    sealed record Case(string File, string Text, bool HasDeliveryStatus, IReadOnlyList<Row> Expected, BounceReport Report, TimeSpan Took)
    {
        public ReportedRecipient? First => Report.Recipients.Count is 0 ? null : Report.Recipients[0];
    }

    static List<Case> Load()
    {
        BounceReader.Read(new MemoryStream("Subject: first\r\n\r\n"u8.ToArray()), CancellationToken.None);   // what is compiled once is nobody's time

        using var expected = JsonDocument.Parse(File.ReadAllText(Path.Combine(Folder(), "expected.json")));
        return [.. expected.RootElement.EnumerateArray().Select(Read)];
    }

    static Case Read(JsonElement expected)
    {
        var file = expected.GetProperty("file").GetString()!;
        var bytes = File.ReadAllBytes(Path.Combine(Folder(), file));
        var clock = Stopwatch.StartNew();
        var report = BounceReader.Read(new MemoryStream(bytes), CancellationToken.None);
        return new Case(file, System.Text.Encoding.Latin1.GetString(bytes), expected.GetProperty("has_delivery_status").GetBoolean(),
            [.. expected.GetProperty("expected").EnumerateArray()
                .Select(r => new Row(r.GetProperty("status").GetString()!, r.GetProperty("reply").GetString()!, r.GetProperty("reason").GetString()!))],
            report, clock.Elapsed);
    }

    static string Folder([CallerFilePath] string here = "") => Path.Combine(Path.GetDirectoryName(here)!, "Corpus");
}
