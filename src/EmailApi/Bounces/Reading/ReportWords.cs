using System.Buffers;

namespace EmailApi.Bounces;

/// <summary>By what words a message shows that it is a report, an automatic reply, or a copy of what was sent.</summary>
static class ReportWords
{
    static readonly SearchValues<string> ReportSubject = Any(
        "can't deliver", "can not deliver", "could not be delivered", "couldn't be delivered", "delivery error", "delivery fail", "delivery has failed", "delivery incomplete", "delivery notification",
        "delivery problem", "delivery report", "delivery status", "échec de la remise", "error de entrega", "error mail", "error sending", "failed delivery",
        "failed mail", "failed to deliver", "failure delivery", "failure notice", "failure notification", "host unknown", "mail could not be", "mail delivery", "mail error", "mail failure", "mail not delivered", "mail system error", "mail undeliverable",
        "mailer-daemon", "message delay", "message blocked", "message not delivered", "message status - undeliverable", "message you sent blocked", "mensaje no entregado", "não entregue", "nicht zustell", "nicht zugestellt", "non-delivery", "non remis", "not deliverable", "nondeliverable", "notification of delivery", "permanent delivery failure", "postfix smtp server: errors", "problem delivering", "returned mail", "returned to sender", "returning message",
        "returned message", "transient delivery", "transport error", "unable to deliver", "undelivered", "undeliverable", "undeliver", "unknown user", "unzustellbar", "user unknown", "warning: could not send", "warning: message", "エラーメール", "配信エラー", "配信不能", "配信できません", "配達不能", "送信エラー", "送信できません", "送信失敗", "不達", "不到達", "未达", "退信", "投递失败", "無法傳遞", "недоставлен", "не доставлено", "не может быть доставлено", "반송", "전송 실패", "배달");

    static readonly SearchValues<string> ReportOpening = Any(
        "a message that you have sent could not", "a message that you sent", "an error occurred while trying to deliver", "as their mailbox is full", "automatically by mail delivery software", "been delayed", "could not be delivered", "couldn't be delivered", "could not deliver", "delivery error", "delevery to the following", "delivery failed", "delivery has failed", "delivery to the following", "did not reach the following", "disk quota",
        "error delivering your mail", "had trouble delivering", "has occurred while attempting to deliver", "cannot be delivered", "can not be delivered", "failed to deliver", "delivery problems", "no valid recipients", "undelivered message", "not delivered to", "failure reasons", "rejected by a remote", "failed permanently", "following addresses had", "has not been delivered", "hat die folgenden empfänger nicht", "i'm afraid i wasn't able to deliver", "i was not able to deliver", "invalid final delivery userid", "konnte nicht zugestellt", "message could not be", "n'a pas pu être remis", "no se pudo entregar", "não foi possível entregar", "not able to deliver", "not be delivered to", "permanent error", "permanent fatal errors", "recipients of this message", "returned to sender", "undeliverable", "undelivered",
        "transcript of session", "transient non-fatal errors", "unable to deliver", "unknown user", "unable to be delivered", "user unknown", "was not delivered", "wasn't delivered", "your message was not", "送信できませんでした", "送信に失敗", "配信できませんでした", "配送できません", "届けられません", "お届けできません", "エラーのため", "не может быть доставлено", "не удалось доставить", "无法投递", "无法送达", "배달하지 못", "전송되지");

    static readonly SearchValues<string> Delayed = Any(
        "action is required on your part", "delayed", "has not yet been delivered", "has not been delivered yet", "message will be retried", "not yet been delivered", "still being retried", "temporarily unable", "this is a warning message only", "this is a warning only", "transient non-fatal", "verzögert", "warning: could not send message for past",
        "will be retried", "will continue trying", "will continue to try", "will keep trying", "再送を試み", "遅延");

    static readonly SearchValues<string> CopyStart = Any(
        "below this line is a copy", "below the next line is a copy", "below is a copy", "body of message generated response", "copy of the message follows", "copy of your message", "enclosed is a copy", "header of the original message", "header of the message", "headers of the original", "here is a copy of the first part of the message", "message header follows", "message headers follow", "original mail info", "original message follows", "original message header", "original message headers", "original message text", "returned message", "the first part of your message",
        "the header from the original", "the original message", "the rejected message", "this is a copy", "unsent message", "the header of the original message", "message text follows", "元のメール", "元のメッセージ", "送信されたメール", "オリジナルメッセージ");

    static readonly string[] CopyAlone =
        ["original message", "original mail", "the message", "included is a copy of the message header", "included is a copy of the message", "message header", "returned mail", "original headers", "received message", "送信メール", "message contents", "copy of message", "ursprüngliche nachricht", "message d'origine", "mensaje original"];

    static readonly string[] Labels =
    [
        "account", "address", "addresses", "could not be delivered to", "delivered to", "delivering your mail to", "deliver to", "deliver your message to", "destination", "destinataire", "destinatario", "empfänger", "failed recipient", "final-recipient", "intended for", "mail to", "mailbox", "message to", "original-recipient", "rcpt to", "rcpt", "receiver", "recipient", "recipient address", "rejected recipient", "unable to deliver message to", "deliver mail to", "recipients", "rfc822;", "the following address", "to the following recipient", "to", "user", "userid", "undeliverable to",
        "あて先", "宛先", "受信者", "送信先", "メールアドレス", "получател", "收件人", "받는 사람",
    ];

    static readonly SearchValues<string> AwaySubject = Any(
        "abwesenheit", "abwesend", "absence du bureau", "absence", "auto reply", "auto response", "auto-reply", "auto-response", "auto:", "autoantwort", "automatic reply", "automatic response", "automatikus válasz", "automatisch antwoord", "automatische antwort", "automatiskt svar", "automatisk svar", "automatická odpověď", "autoreply", "autoresponse", "autosvar", "afwezig", "away from my", "away from the", "fuera de la oficina", "fora do escritório", "fuori sede", "fuori ufficio", "i am away", "i'm away", "nieobecno", "odpověď v nepřítomnosti",
        "on vacation", "otomatik yanıt", "out of office", "out of the office", "out-of-office", "poza biurem", "réponse automatique", "reponse automatique", "respuesta automática", "respuesta automatica", "resposta automática", "risposta automatica", "urlaub", "vacation", "автоответ", "автоматический ответ", "自动回复", "自動回覆", "自動回复", "자동 회신", "자동응답", "부재중", "不在", "自動応答", "自動返信", "自動返答", "休暇", "외출", "离开");

    static readonly string[] Daemons =
        ["mailer-daemon", "mailerdaemon", "mail-daemon", "maildaemon", "mail.delivery.system", "postmaster", "mailmaster", "post_master", "mail-system", "mdaemon", "bounce", "bounces", "mailer_daemon", "poostmaster", "mrd"];

    static readonly SearchValues<string> DaemonNames = Any(
        "mail administrator", "mail deliver", "mail delivery", "mail router", "mail system", "mailer daemon", "mailer-daemon", "postmaster", "system administrator", "mail daemon", "internet mail service", "microsoft outlook", "bounce", "メールシステム");

    static SearchValues<string> Any(params string[] phrases) => SearchValues.Create(phrases, StringComparison.OrdinalIgnoreCase);

    public static bool IsReportSubject(string subject) => subject.AsSpan().ContainsAny(ReportSubject);

    public static bool IsReportOpening(string text) => text.AsSpan(0, Math.Min(text.Length, Reasons.MaxText)).ContainsAny(ReportOpening);

    public static bool IsAwaySubject(string subject) => subject.AsSpan().ContainsAny(AwaySubject);

    public static bool SaysDelayed(string text) => text.AsSpan(0, Math.Min(text.Length, Reasons.MaxText)).ContainsAny(Delayed);

    /// <summary>The time was up, in so many words.</summary>
    public static bool SaysExpired(string text) => text.Contains("envelope expired", StringComparison.OrdinalIgnoreCase)
        || text.Contains("message expired", StringComparison.OrdinalIgnoreCase);

    public static bool IsDaemonName(string from) => from.AsSpan().ContainsAny(DaemonNames);

    /// <summary>Addresses of mail servers, which are never the recipient that a report speaks of when there is another.</summary>
    public static bool IsDaemon(string address)
    {
        var local = address.AsSpan(0, Math.Max(0, address.IndexOf('@', StringComparison.Ordinal)));
        foreach (var daemon in Daemons)
            if (local.Equals(daemon, StringComparison.OrdinalIgnoreCase)) return true;
        return false;
    }

    /// <summary>The line, without its rules of hyphens, says that the returned mail follows.</summary>
    public static bool StartsCopy(ReadOnlySpan<char> line)
    {
        foreach (var words in CopyAlone)
            if (line.Equals(words, StringComparison.OrdinalIgnoreCase)) return true;
        return line.ContainsAny(CopyStart) && !line.Contains("was received", StringComparison.OrdinalIgnoreCase) && !line.Contains("MTS-ID", StringComparison.Ordinal);
    }

    /// <summary>What stands before an address names it as a recipient.</summary>
    public static bool EndsWithLabel(ReadOnlySpan<char> before)
    {
        before = before.TrimEnd(" \t:：;");
        foreach (var label in Labels)
            if (before.EndsWith(label, StringComparison.OrdinalIgnoreCase)) return true;
        return false;
    }
}
