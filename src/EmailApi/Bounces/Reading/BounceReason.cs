namespace EmailApi.Bounces;

/// <summary>Why, in one word; docs/bounces.md explains each with examples.</summary>
public enum BounceReason
{
    /// <summary>There is no such mailbox.</summary>
    UnknownUser,

    /// <summary>The mailbox, or the disk it lies on, is full.</summary>
    MailboxFull,

    /// <summary>The mailbox exists and takes no mail: suspended, inactive, locked.</summary>
    MailboxDisabled,

    /// <summary>The domain does not exist or takes no mail.</summary>
    UnknownHost,

    /// <summary>The recipient has moved to another address.</summary>
    Moved,

    /// <summary>The message is larger than the recipient or its server takes.</summary>
    MessageTooBig,

    /// <summary>Judged to be spam by its content.</summary>
    Spam,

    /// <summary>A rule of the recipient's side refuses this sender, recipient or message.</summary>
    Policy,

    /// <summary>SPF, DKIM, DMARC, a missing PTR record, or a log-in that failed.</summary>
    Authentication,

    /// <summary>The sending address or domain has a bad name: block lists, scores.</summary>
    Reputation,

    /// <summary>Too many mails, connections or recipients in too short a time; greylisting.</summary>
    RateLimited,

    /// <summary>The server does not relay for this sender or to this recipient.</summary>
    RelayDenied,

    /// <summary>A virus or another dangerous file was found.</summary>
    Virus,

    /// <summary>The message's form: headers, attachments, encodings that are not taken.</summary>
    Content,

    /// <summary>No connection, no route, a mail loop, a name server that does not answer.</summary>
    Network,

    /// <summary>Tried until its time ran out, and nothing else is said.</summary>
    Expired,

    /// <summary>Trouble of the server's own: configuration, disk, software, protocol.</summary>
    System,

    /// <summary>An automatic reply says that the recipient is away.</summary>
    Vacation,

    /// <summary>The recipient, or its provider, complained.</summary>
    Complaint,

    /// <summary>Arrived, or handed on.</summary>
    Delivered,

    /// <summary>The report does not tell.</summary>
    Undetermined,
}
